/// \file
/// All operations on tensors.
#pragma once

#include <wick/ad/conv.hpp>
#include <wick/ad/einsum.hpp>
#include <wick/ad/fuse.hpp>
#include <wick/ad/matmul_batch.hpp>
#include <wick/ad/ops_dot_rows.hpp>
#include <wick/ad/ops_extreme.hpp>
#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_layout.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_matrix.hpp>
#include <wick/ad/ops_prod.hpp>
#include <wick/ad/ops_reduce.hpp>
#include <wick/ad/ops_scan_sums.hpp>
#include <wick/ad/ops_select.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/ops_softmax.hpp>
#include <wick/ad/ops_sort.hpp>
#include <wick/ad/ops_special.hpp>
