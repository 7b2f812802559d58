/// \file
/// The special functions of packets and scalars.
#pragma once

#include <wick/math/exp_log.hpp>
#include <wick/math/gamma.hpp>
#include <wick/math/hyperbolic.hpp>
#include <wick/math/normal.hpp>
#include <wick/math/power.hpp>
