/// \file
/// Neural networks: modules, layers, and their parameters in models.
#pragma once

#include <wick/nn/activation.hpp>
#include <wick/nn/dropout.hpp>
#include <wick/nn/embedding.hpp>
#include <wick/nn/layer_norm.hpp>
#include <wick/nn/linear.hpp>
#include <wick/nn/random_module.hpp>
#include <wick/nn/recurrent.hpp>
#include <wick/nn/register.hpp>
#include <wick/nn/sequential.hpp>
