/// \file
/// The special functions of packets and scalars.
#pragma once

#include <wick/math/beta.hpp>
#include <wick/math/exp_log.hpp>
#include <wick/math/gamma.hpp>
#include <wick/math/hyperbolic.hpp>
#include <wick/math/log_tails.hpp>
#include <wick/math/normal.hpp>
#include <wick/math/power.hpp>
#include <wick/math/trig.hpp>
