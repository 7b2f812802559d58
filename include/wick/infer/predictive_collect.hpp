/// \file
/// How Predictive collects its draws, chunk by chunk.
#pragma once

#include <wick/infer/predictive_run.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline bool PredictiveRun::is_default(const Site& s) noexcept {
  if (s.type == SiteType::deterministic) return !s.value.empty();
  return s.type == SiteType::sample && !(s.is_observed && s.infer.is_auxiliary);  // factors
}
inline const Site* PredictiveRun::find(Name name) const noexcept {
  const Site* s = model_.find(name);
  return s != nullptr ? s : guide_.find(name);
}
inline void PredictiveRun::choose_site(Name name) {
  const Trace& model = o_.parallel ? plain_model_ : model_;
  const Site* s = model.find(name);
  if (s == nullptr) s = (o_.parallel ? plain_guide_ : guide_).find(name);
  if (s == nullptr || name.view() == kDrawsPlate) raise_unknown(name.view());
  const Tensor value = value_of(*s);
  if (value.empty()) raise_unknown(name.view());
  chosen_.push_back({name, value.shape(), value.numel(), {}});
}
WICK_COLD inline void PredictiveRun::choose() {
  for (const std::string& name : o_.return_sites) choose_site(Name(name));
  if (o_.return_sites.empty())
    for (const Site& s : o_.parallel ? plain_model_ : model_)
      if (is_default(s) && !is_given(s.name)) choose_site(s.name);
  if (o_.return_sites.empty()) defaults_ = chosen_.size();
  if (chosen_.empty() && !o_.return_values && !o_.log_weights) raise_unknown("");
  if (!o_.return_values) return;
  const Tensor& r = o_.parallel ? plain_returned_ : *returned_;
  if (r.empty()) raise<UsageError>("wick.predictive.E329", "", {"return_values: the model returns no tensor"}, {"return a Tensor from the model, or leave .return_values out"});
  chosen_.push_back({Name(), r.shape(), r.numel(), {}});
}

inline void PredictiveRun::begin_chunk(Index size) {
  room_ = size;
  filled_ = 0;
  for (Chosen& c : chosen_) {
    Shape all = c.shape;
    all.insert_front(1, size);
    c.rows = TensorAccess::make(all);
  }
  if (o_.log_weights) weights_ = zeros({size});
}

/// Adds `count` rows from `first` on to the chunk under way; the rows of the run begin with number `draw`.
inline void PredictiveRun::append(Index draw, Index first, Index count, Index rows) {
  if (defaults_ != 0) {
    std::size_t found = 0;
    for (const Site& s : model_) found += is_default(s) && !is_given(s.name) ? 1u : 0u;
    if (WICK_UNLIKELY(found > defaults_))
      for (const Site& s : model_) {
        bool known = !is_default(s) || is_given(s.name);
        for (const Chosen& c : chosen_) known = known || c.name == s.name;
        if (!known) raise_extra(s.name, draw);
      }
  }
  for (Chosen& c : chosen_) {
    if (!c.name) {
      append_values(c, *returned_, draw, first, count, rows);
      continue;
    }
    const Site* s = find(c.name);
    if (WICK_UNLIKELY(s == nullptr)) raise_missing(c.name, draw);
    append_values(c, value_of(*s), draw, first, count, rows);
  }
  if (o_.log_weights) append_weights(first, count, rows);
}
inline void PredictiveRun::append_values(Chosen& c, const Tensor& value, Index draw, Index first, Index count, Index rows) {
  if (WICK_UNLIKELY(value.empty())) raise_missing(c.name, draw);
  const DrawRows r = rows_of(value, rows, c.count);
  if (WICK_UNLIKELY(!r.fits || (!o_.parallel && !(value.shape() == c.shape)))) {
    if (o_.parallel) raise_parallel(c.name.view(), join({"one draw's value has shape ", c.shape, ", all together have ", value.shape()}), rows);
    raise_shape(c, value.shape(), draw);
  }
  double* to = TensorAccess::fresh_data(c.rows) + filled_ * c.count;
  for (Index i = 0; i < count; ++i, to += c.count) std::memcpy(to, r.data + (first + i) * r.stride, static_cast<std::size_t>(c.count) * sizeof(double));
}
/// log p of what is observed or drawn by the guide, less log q of what the guide draws; what the model draws itself cancels.
inline void PredictiveRun::append_weights(Index first, Index count, Index rows) {
  double* to = TensorAccess::fresh_data(weights_) + filled_;
  for (const Site& s : model_) {
    if (s.type != SiteType::sample) continue;
    const Site* g = s.is_observed ? nullptr : guide_.find(s.name);
    if (s.is_observed || (g != nullptr && g->type == SiteType::sample)) add_weight(s, 1, to, first, count, rows);
  }
  for (const Site& s : guide_)
    if (s.type == SiteType::sample) add_weight(s, WICK_FAULT(weight_without_guide, -1, 0), to, first, count, rows);
}
inline void PredictiveRun::add_weight(const Site& s, double sign, double* to, Index first, Index count, Index rows) const {
  if (rows == 1) {
    to[0] += sign * s.log_prob_sum().item();
  } else {
    for (Index i = 0; i < count; ++i) to[i] += sign * row_sum(s, first + i, rows);
  }
}

inline bool PredictiveRun::deliver(const Callback<SampleChunk>& sink, Index end, Samples& out) {
  if (end == filled_ && given_ != nullptr) check_given();
  Samples s;
  for (Chosen& c : chosen_) {
    if (c.name)
      s.set(c.name.view(), std::move(c.rows));
    else
      s.set_return_values(std::move(c.rows));
  }
  if (o_.log_weights) s.set_log_weights(std::move(weights_));
  const Index size = filled_;
  filled_ = 0;
  if (sink) return sink({end - size, size, n_, s});
  out = std::move(s);
  return true;
}

inline void PredictiveRun::all_draws(const Callback<SampleChunk>& sink, Samples& out) {
  check_options();
  seed_ = o_.seed != 0 ? o_.seed : next_key(hash_name("wick.predictive"), 0).k0;
  if (o_.parallel) survey();
  const Index chunk = sink ? chunk_ : n_;
  for (Index draw = 0, rows = 0; draw < n_; draw += rows) {
    rows = batch_ < n_ - draw ? batch_ : n_ - draw;
    execute(draw, rows);
    if (draw == 0) choose();
    for (Index done = 0, take = 0; done < rows; done += take) {
      const Index left = n_ - draw - done;
      if (filled_ == 0) begin_chunk(chunk < left ? chunk : left);
      take = rows - done < room_ - filled_ ? rows - done : room_ - filled_;
      append(draw, done, take, rows);
      filled_ += take;
      if (filled_ == room_ && !deliver(sink, draw + done + take, out)) return;
    }
  }
}

WICK_NOINLINE inline void PredictiveRun::run(const Callback<SampleChunk>& sink, Samples& out) {
  const Unrecorded off;
  ParamStore& store = param_store();
  const std::size_t before = store.size();
  try {
    all_draws(sink, out);
  } catch (...) {
    model_.clear();
    guide_.clear();
    store.truncate(before);
    throw;
  }
}

}  // namespace detail
}  // namespace wick::inline WICK_ABI
