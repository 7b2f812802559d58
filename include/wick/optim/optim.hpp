/// \file
/// The optimisers and what they are put together with.
#pragma once

#include <wick/optim/adagrad.hpp>
#include <wick/optim/adam.hpp>
#include <wick/optim/adamw.hpp>
#include <wick/optim/clipped_adam.hpp>
#include <wick/optim/lbfgs.hpp>
#include <wick/optim/per_param.hpp>
#include <wick/optim/rmsprop.hpp>
#include <wick/optim/schedules.hpp>
#include <wick/optim/sgd.hpp>
