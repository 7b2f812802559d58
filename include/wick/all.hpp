/// \file
/// Everything: wick.hpp and what is too heavy for it, which is linear algebra by Eigen, neural networks and checkpoints. For second derivatives
/// include <wick/ad/second_order.hpp> before it.
#pragma once

#include <wick/ad/linalg.hpp>
#include <wick/ad/linalg_spectral.hpp>
#include <wick/infer/checkpoint.hpp>
#include <wick/nn/nn.hpp>
#include <wick/tensor/eigen.hpp>
#include <wick/wick.hpp>
