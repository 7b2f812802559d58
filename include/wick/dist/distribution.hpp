/// \file
/// The base of all distributions: shapes, validation, and densities as recorded values.
#pragma once

#include <wick/ad/ops_reduce.hpp>
#include <wick/core/random.hpp>
#include <wick/dist/family_info.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// How a density is wanted.
struct ScoreRequest {
  const Tensor* mask = nullptr;  ///< over the elements; null: none
  double factor = 1.0;           ///< applied to a sum
  bool sum = false;              ///< one scalar, or one number per element
};

/// The same value in another record: nothing flows back through it.
inline void severed_rerun(Tape& tape, std::uint32_t i) {
  const std::uint32_t in = static_cast<UnaryPayload*>(tape[i].payload)->in;
  if (!tape[i].is_tensor()) tape[i].value = *tape.data(in);  // tensors share their memory
}
inline constexpr OpFns severed_ops{"severed", &severed_rerun, nullptr};

/// A draw as a value that varies but carries no gradient.
WICK_NOINLINE inline Tensor without_gradient(const Tensor& draw) {
  Tape* tape = context.tape;
  if (tape == nullptr || kind_in(draw, tape) == Kind::constant) return TensorAccess::detached(draw);
  if (TensorAccess::kind(draw) == Kind::varying) return draw;
  Tensor room;
  const Tensor& in = dense(draw, room);
  auto* p = new_payload<UnaryPayload>(*tape);
  p->fns = &severed_ops;
  p->in = TensorAccess::record(in);
  Tensor out = TensorAccess::is_scalar(in) ? Tensor(TensorAccess::scalar(in)) : TensorAccess::adopt(make_view(TensorAccess::block(in), in.shape()));
  return general_result(*tape, p, out, Kind::varying);
}

}  // namespace detail

/// A probability distribution: a small value with parameters, `batch_shape`, `event_shape`, a density and a sampler.
///
/// Shapes: `sample()` has shape batch_shape + event_shape; `log_prob(value)` takes values that broadcast with that and
/// has the broadcast batch shape. Parameter values are checked by sampler and density, not by the constructor, so that
/// the error can name the site. A log density of −∞ is no error, NaN is. Errors: wick.dist.E201–E210.
class Distribution {
 public:
  virtual ~Distribution() = default;

  /// batch_shape + event_shape.
  const Shape& shape() const noexcept { return shape_; }
  Shape batch_shape() const { return shape_.head(shape_.rank() - event_dim_); }
  Shape event_shape() const { return shape_.tail(event_dim_); }
  Index event_dim() const noexcept { return event_dim_; }
  const char* name() const noexcept { return family_->name; }
  /// Whether samples carry gradients to the parameters.
  bool has_rsample() const noexcept { return family_->has_rsample && !score_gradient_; }
  bool is_discrete() const noexcept { return family_->discrete; }
  /// The set of the legal values; the density may be 0 on part of it.
  virtual Constraint support() const = 0;

  /// A draw; with gradients to the parameters where `has_rsample()`. Uses the random scope in force.
  /// Throws wick.dist.E201 for parameters outside their domain.
  Tensor sample() const {
    static constexpr std::uint64_t unnamed = hash_name("");
    return sample_with(detail::next_key(unnamed, 0));
  }
  /// The draw that belongs to a key. Same contract as `sample`.
  Tensor sample_with(Key key) const {
    check_parameters();
    return score_gradient_ ? detail::without_gradient(draw(key)) : draw(key);
  }

  /// The log density (or log mass) at `value`, one number per batch element; 0 where `mask` (of batch shape) is 0:
  /// there, value and parameters may hold anything, NaN included, in value and gradient.
  /// Gradients: value (where continuous) and parameters.
  /// Throws wick.dist.E201 (parameter), E202 (value), E204 (NaN for another reason), E207 and E208 (shapes), E210 (mask).
  Tensor log_prob(const Tensor& value, const Tensor& mask = {}) const;
  /// Σ of log_prob over all elements, times `factor`, as one record.
  Tensor log_prob_sum(const Tensor& value, double factor = 1.0, const Tensor& mask = {}) const;

  /// The parameters, in the order of the family's names.
  virtual const Tensor* parameters() const noexcept = 0;
  const detail::FamilyInfo& info() const noexcept { return *family_; }
  /// Copies this distribution into `room` of `bytes` bytes; where they are too few, returns null and says how many it needs.
  virtual Distribution* clone_into(void* room, std::size_t& bytes) const = 0;
  /// Moves this distribution into `room`, which is large enough.
  virtual Distribution* move_into(void* room) = 0;

  /// Makes the batch shape `batch`, to which the present one broadcasts; a draw fills new dims independently. A size of −1 keeps the
  /// present one. Throws wick.dist.E205; wick.tensor.E104 for more elements than there can be.
  void expand_to(const Shape& batch) {
    if (event_dim_ == 0 && batch == shape_) return;
    const Shape own = batch_shape();
    Shape to = batch;
    for (unsigned i = 0; i < to.size(); ++i) {
      const Index d = static_cast<Index>(i) - to.rank();
      if (to[i] == -1 && -d <= own.rank()) to[i] = own.from_right(d);
      if (WICK_UNLIKELY(to[i] < 0)) raise_expand(own, batch);
    }
    if (!detail::broadcasts_to(own, to)) raise_expand(own, batch);
    to = to + event_shape();
    detail::checked_numel(to);
    shape_ = std::move(to);
  }
  /// The same for `n` independent draws where there is one without dimensions.
  void expand_single(Index n) {
    shape_.resize(1);
    shape_[0] = n;
  }
  /// Declares the `n` rightmost batch dimensions as part of the event. Throws wick.dist.E206.
  void reinterpret_batch(Index n) {
    if (n < 0 || n > shape_.rank() - event_dim_) raise_to_event(n);
    event_dim_ += n;
  }
  /// Whether `mask` has left elements out; and their return.
  bool has_mask() const noexcept { return !mask_.empty(); }
  void drop_mask() noexcept { mask_ = Tensor(); }
  /// Leaves out what `o` leaves out, a distribution of the same shape.
  void take_mask(const Distribution& o) { mask_ = o.mask_; }
  /// Treats samples as if they carried no gradient: the estimator then uses the score function.
  void use_score_gradient(bool yes) noexcept { score_gradient_ = yes; }

  /// Throws wick.dist.E201 for the first parameter element outside its domain.
  inline virtual void check_parameters() const;

 protected:
  explicit Distribution(const detail::FamilyInfo& family) noexcept : family_(&family) {}
  Distribution(const Distribution&) = default;
  Distribution(Distribution&&) = default;
  Distribution& operator=(const Distribution&) = default;
  Distribution& operator=(Distribution&&) = default;

  virtual Tensor draw(Key key) const = 0;
  /// The density of every element over broadcast(value, elements), or their sum. An element is what one number of the
  /// density belongs to: all of `shape()` but for the `native_dim_` dims that the family itself takes as one value.
  inline virtual Tensor score(const Tensor& value, const detail::ScoreRequest& q) const;

  /// Sets batch_shape from the parameters' shapes. Throws wick.dist.E203, E209.
  void adopt_shapes(const Tensor* p, unsigned arity) {
    bool same = !p[0].empty();
    for (unsigned k = 1; k < arity; ++k) same = same && !p[k].empty() && p[k].shape() == p[0].shape();
    if (same)
      shape_ = p[0].shape();
    else
      detail::broadcast_parameters(*family_, p, shape_);
  }
  void add_mask(const Tensor& m);
  /// A mask with `n` more dims of size 1 at the right.
  static Tensor with_dims(const Tensor& mask, Index n);
  /// This distribution's own mask and `mask` (of batch shape) together; empty without any.
  Tensor whole_mask(const Tensor& mask) const;
  /// The shape of the elements broadcast with the value and the mask of a request.
  Shape element_shape(const Tensor& value, const detail::ScoreRequest& q) const;
  /// Finds out why a density is NaN and throws: a parameter (E201), the value (E202), or neither (E204).
  [[noreturn]] void explain_nan(const Tensor& value, const Tensor& mask) const;

  [[noreturn]] WICK_COLD void raise_to_event(Index n) const {
    detail::raise<ShapeError>("wick.dist.E206", "", {name(), ": to_event(", n, ") wants 0 to ", shape_.rank() - event_dim_, " dimensions, batch_shape is ", batch_shape()},
                              {"give the number of rightmost batch dimensions to declare dependent"});
  }

  const detail::FamilyInfo* family_;
  Shape shape_;
  Tensor mask_;  ///< over the elements
  Index event_dim_ = 0;
  Index native_dim_ = 0;
  bool score_gradient_ = false;

 private:
  [[noreturn]] WICK_COLD void raise_expand(const Shape& own, const Shape& batch) const {
    detail::raise<ShapeError>("wick.dist.E205", "", {name(), ": batch_shape ", own, " does not expand to ", batch},
                              {"sizes must be equal, or 1 before, and -1 keeps the present size; give the whole new batch_shape, without the event_shape ", event_shape()});
  }
  [[noreturn]] WICK_COLD void raise_value(const Tensor& value) const {
    detail::raise<ShapeError>("wick.dist.E207", "", {name(), ": value of shape ", value.shape(), " does not fit batch_shape ", batch_shape(), " and event_shape ", event_shape()},
                              {"give values of shape batch_shape + event_shape, or shapes that broadcast to it; declare dependent dimensions with to_event(n)"});
  }
  [[noreturn]] WICK_COLD void raise_mask_value(const Tensor& mask) const {
    const Index bad = constraints::boolean.first_violation(mask);
    detail::raise<DomainError>("wick.dist.E210", "", {name(), ": mask", detail::index_text(mask.shape(), bad), " = ", mask.data()[bad], ", a mask holds 0 and 1 only"},
                               {"compare, as in mask(x > 0)\n  or use handlers::scale for weights"});
  }
  [[noreturn]] WICK_COLD void raise_mask(const Shape& mask, const Shape& batch) const {
    detail::raise<ShapeError>("wick.dist.E208", "", {name(), ": mask of shape ", mask, " does not broadcast with batch_shape ", batch}, {"give a mask of the batch shape"});
  }
};

WICK_NOINLINE inline Shape Distribution::element_shape(const Tensor& value, const detail::ScoreRequest& q) const {
  if (value.empty()) detail::raise_empty("log_prob");
  Shape all = shape_;
  bool fits = detail::broadcast_into(all, value.shape());
  // Event dimensions are the value's own: they must be there in full.
  for (Index d = 1; fits && d <= event_dim_; ++d) fits = value.dim() >= d && value.shape().from_right(-d) == shape_.from_right(-d);
  if (!fits) raise_value(value);
  if (native_dim_ > 0) all = all.head(all.rank() - native_dim_);
  if (q.mask != nullptr && !detail::broadcast_into(all, q.mask->shape())) raise_mask(q.mask->shape(), all.head(all.rank() - event_dim_ + native_dim_));
  return all;
}

WICK_NOINLINE inline Tensor Distribution::with_dims(const Tensor& mask, Index n) {
  if (mask.dim() == 0 || n == 0) return mask;
  Shape s = mask.shape();
  for (Index i = 0; i < n; ++i) s.push_back(1);
  return reshape(mask, s);
}

WICK_NOINLINE inline Tensor Distribution::whole_mask(const Tensor& mask) const {
  if (mask.empty()) return mask_;
  detail::kind_in(mask, detail::context.tape);  // another thread's unfinished step?
  Shape s = batch_shape();
  if (!detail::broadcast_into(s, mask.shape())) raise_mask(mask.shape(), batch_shape());
  if (WICK_UNLIKELY(!detail::all_boolean(detail::TensorAccess::stored_numel(mask), detail::TensorAccess::stored(mask)))) raise_mask_value(mask);
  const Tensor m = with_dims(mask, event_dim_ - native_dim_);
  return mask_.empty() ? m : (mask_ & m);
}

inline Tensor Distribution::log_prob(const Tensor& value, const Tensor& mask) const {
  const Tensor m = whole_mask(mask);
  detail::ScoreRequest q;
  if (!m.empty()) q.mask = &m;
  const Tensor lp = score(value, q);
  const double* p = detail::TensorAccess::stored(lp);
  const Index n = lp.numel();
  double total = 0;
  for (Index i = 0; i < n; ++i) total += p[i];
  if (WICK_UNLIKELY(total != total))
    for (Index i = 0; i < n; ++i)
      if (p[i] != p[i]) explain_nan(value, m);
  return event_dim_ == native_dim_ ? lp : detail::sum_trailing(lp, event_dim_ - native_dim_);
}

inline Tensor Distribution::log_prob_sum(const Tensor& value, double factor, const Tensor& mask) const {
  const bool masked = !(mask.empty() && mask_.empty());
  Tensor m;
  if (WICK_UNLIKELY(masked)) m = whole_mask(mask);
  const detail::ScoreRequest q{masked ? &m : nullptr, factor, true};
  Tensor lp = score(value, q);
  const double v = detail::TensorAccess::scalar(lp);
  if (WICK_UNLIKELY(v != v)) explain_nan(value, m);
  return lp;
}

inline Tensor Distribution::score(const Tensor& value, const detail::ScoreRequest& q) const {
  if (WICK_LIKELY(shape_.empty() && q.mask == nullptr && detail::TensorAccess::is_scalar(value)) && family_->density->point != nullptr)
    return detail::fuse_point(*family_->density, value, parameters(), q.factor);
  const Tensor* in[detail::kMaxFused];
  in[0] = &value;
  const Tensor* p = parameters();
  for (unsigned k = 0; k < family_->arity; ++k) in[k + 1] = p + k;
  if (WICK_LIKELY(q.mask == nullptr && !value.empty())) {
    // No broadcasting, or scalar parameters: the shape is at hand.
    const Shape& own = value.shape();
    if (shape_.empty() || own == shape_) return detail::fuse_call({family_->density, nullptr, 0, in, &own, nullptr, q.factor, q.sum});
    if (own.empty() && event_dim_ == 0) return detail::fuse_call({family_->density, nullptr, 0, in, &shape_, nullptr, q.factor, q.sum});
  }
  const Shape wider = element_shape(value, q);
  return detail::fuse_call({family_->density, nullptr, 0, in, &wider, q.mask, q.factor, q.sum});
}

inline void Distribution::add_mask(const Tensor& m) {
  if (m.empty()) detail::raise_empty("mask");
  Shape s = batch_shape();
  if (!detail::broadcast_into(s, m.shape())) raise_mask(m.shape(), batch_shape());
  mask_ = whole_mask(m);
  shape_ = s + event_shape();
}

inline void Distribution::check_parameters() const {
  const detail::FamilyInfo& family = *family_;
  const Tensor* p = parameters();
  for (unsigned k = 0; k < family.arity; ++k) {
    const ConstraintOps& set = *family.domains[k];
    const Index n = detail::TensorAccess::stored_numel(p[k]);
    if (WICK_LIKELY(detail::first_outside(set, detail::TensorAccess::stored(p[k]), n) < 0)) continue;
    detail::raise_if_outside("wick.dist.E201", family, family.parameters[k], p[k], Constraint(set), {});
  }
}

WICK_COLD inline void Distribution::explain_nan(const Tensor& value, const Tensor& mask) const {
  const detail::FamilyInfo& family = *family_;
  const Tensor* p = parameters();
  if (mask.empty()) check_parameters();  // with what a family checks beyond its table
  for (unsigned k = 0; k < family.arity; ++k)
    detail::raise_if_outside("wick.dist.E201", family, family.parameters[k], p[k], Constraint(*family.domains[k]), with_dims(mask, family.parameter_event_dim));
  detail::raise_if_outside("wick.dist.E202", family, "value", value, support(), with_dims(mask, native_dim_));
  detail::raise_nan_density(family);
}

}  // namespace wick::inline WICK_ABI
