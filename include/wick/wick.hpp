/// \file
/// The umbrella: everything a program needs, without the parts that need Boost.
#pragma once

#include <wick/ad/grad.hpp>
#include <wick/ad/ops.hpp>
#include <wick/dist/dist.hpp>
#include <wick/effect/handlers/handlers.hpp>
#include <wick/effect/inspect.hpp>
#include <wick/effect/markov.hpp>
#include <wick/effect/obs_mask.hpp>
#include <wick/effect/plate.hpp>
#include <wick/effect/plate_stack.hpp>
#include <wick/effect/primitives.hpp>
#include <wick/infer/importance.hpp>
#include <wick/infer/loss_plateau.hpp>
#include <wick/infer/optimize.hpp>
#include <wick/infer/predictive.hpp>
#include <wick/infer/svi.hpp>
#include <wick/infer/tail_average.hpp>
#include <wick/optim/optim.hpp>
#include <wick/tensor/eigen_source.hpp>
#include <wick/tensor/make.hpp>
#include <wick/tensor/print.hpp>
