/// \file
/// All distributions.
#pragma once

#include <wick/dist/bernoulli.hpp>
#include <wick/dist/categorical.hpp>
#include <wick/dist/delta.hpp>
#include <wick/dist/exponential.hpp>
#include <wick/dist/gamma.hpp>
#include <wick/dist/half_cauchy.hpp>
#include <wick/dist/half_normal.hpp>
#include <wick/dist/log_normal.hpp>
#include <wick/dist/normal.hpp>
#include <wick/dist/poisson.hpp>
#include <wick/dist/uniform.hpp>
