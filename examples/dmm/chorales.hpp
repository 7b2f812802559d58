/// \file
/// The deep Markov model of Bach's chorales.
#pragma once

#include <string>
#include <vector>

#include <wick/wick.hpp>

#include "../common/options.hpp"
#include "../common/output.hpp"

namespace dmm {

/// One part of the data: sequences of chords over 88 keys.
struct Chorales {
  std::vector<wick::Tensor> sequences;  ///< (steps, 88), 1 where a key sounds
  wick::Index slices = 0;               ///< steps of all sequences
};

/// Sequences padded to the longest of them, time first, so that a step is one row of each.
struct Batch {
  wick::Tensor x;        ///< (steps, sequences, 88)
  wick::Tensor mask;     ///< (steps, sequences): 1 where there is a step
  wick::Tensor lengths;  ///< (sequences)
};

/// Reads `split,seq,t,notes`, notes being MIDI numbers from 21 to 108 with blanks between. Throws with file and line
/// what is wrong with it, and where there is no such file, where it comes from.
Chorales read_chorales(const std::string& file, const std::string& split);
/// Those of the given numbers.
Batch pad(const std::vector<wick::Tensor>& sequences, const std::vector<std::size_t>& which);

/// The whole run with --data.
void fit_chorales(const example::Options& options, const example::Output& output);

}  // namespace dmm
