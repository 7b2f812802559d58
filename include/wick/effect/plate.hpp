/// \file
/// Plates: conditionally independent dimensions, vectorised, sequential and subsampled.
#pragma once

#include <wick/ad/ops_index.hpp>
#include <wick/core/fault.hpp>
#include <wick/dist/draw.hpp>
#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI {

/// Options of a plate. `subsample_size` 0 means all; `subsample` gives the indices; `dim` 0 means the rightmost free one.
struct PlateOptions {
  Count subsample_size = 0;
  Tensor subsample = {};
  Index dim = 0;
};

namespace detail {

/// Whether a distribution has the plate's size at the plate's dim.
inline bool has_plate(const Distribution& d, const Frame& f) noexcept {
  const Index at = d.shape().rank() - d.event_dim() + f.dim;
  return at >= 0 && d.shape()[static_cast<std::size_t>(at)] == f.size;
}
[[noreturn]] WICK_COLD inline void raise_widen(const Message& m, const Frame& f) {
  const Shape batch = m.fn->batch_shape();
  raise<ShapeError>("wick.plate.E208", m.name.view(),
                    {"plate \"", f.name.view(), "\" has size ", f.size, " at dim ", f.dim, ", the site's batch_shape ", batch, " has ", batch.from_right(f.dim)},
                    {"take the plate's elements of the data: plate.subsample(x) or take(x, plate.indices())\n  or declare dependent dimensions: dist.to_event(n)\n  or give the plate another dim"});
}
/// Gives the distribution of a sample site the plate's size at the plate's dim, where it has 1. Throws wick.plate.E208.
WICK_NOINLINE inline void expand_to_plate(Message& m, const Frame& f) {
  const Index event = m.fn->event_dim(), rank = m.fn->shape().rank() - event;
  if (WICK_LIKELY(m.fn->shape().empty() && f.dim == -1)) return m.fn->expand_single(f.size);
  const Index have = rank >= -f.dim ? m.fn->shape().from_right(f.dim - event) : 1;
  if (WICK_UNLIKELY(have != 1)) raise_widen(m, f);
  Shape batch = m.fn->batch_shape();
  if (rank < -f.dim) batch.insert_front(static_cast<std::size_t>(-f.dim - rank), 1);
  batch[static_cast<std::size_t>(batch.rank() + f.dim)] = f.size;
  m.fn->expand_to(batch);
}

}  // namespace detail

/// A scope in which sites are independent along one dimension of their batch shape.
///
/// `plate data("data", n);` declares dim −1 (or the rightmost free one) of every sample site in the scope: batch shapes are broadcast to it.
/// With `{.subsample_size = b}` the scope has size b, `indices()` says which elements, and log densities are multiplied by n / b; so
/// does a parameter with `event_dim`, stored in full size, give its elements.
/// `for (auto i : plate("steps", n))` runs the body n times instead, in order, with i = 0, …, n − 1 (or the subsampled indices): the scope is
/// the loop, and names in its body must differ from turn to turn.
/// Plates of one name in one run, or in guide and model, share their indices and must agree in size (and, in one run, dim).
/// A factor whose log weight is one number counts once for every element of the plate.
/// Throws: wick.plate.E200–E210.
class plate final : public Handler {
 public:
  // Two constructors, because a program without options need not compile what draws subsamples.
  [[nodiscard]] WICK_NOINLINE plate(std::string_view name, Count size) { begin_plate(name, size.value, {}, nullptr); }
  [[nodiscard]] plate(std::string_view name, Count size, const PlateOptions& options);
  WICK_NOINLINE ~plate() override {}

  /// The size of the scope: that of the subsample.
  Index size() const noexcept { return frame_.size; }
  Index full_size() const noexcept { return frame_.full_size; }
  /// Negative; 0 in a loop over the plate.
  Index dim() const noexcept { return frame_.dim; }
  /// Which elements are in the scope, as a vector of integers.
  const Tensor& indices() const {
    if (indices_.empty()) indices_ = arange(frame_.full_size);
    return indices_;
  }
  /// The elements of `data` (along dim 0) that are in the scope; what is empty stays empty.
  /// Throws wick.plate.E209 unless `data` has the plate's full size.
  Tensor subsample(const Tensor& data) const {
    if (data.empty()) return data;
    if (WICK_UNLIKELY(data.dim() < 1 || data.shape()[0] != frame_.full_size)) raise_data(data.shape());
    return picked_ ? take(data, indices_) : data;
  }

  void process(Message& m) override {
    if (m.frames.empty())
      m.frames.push_back(frame_);
    else
      m.frames.insert_front(1, frame_);
    if (frame_.size != frame_.full_size) detail::scale_by(m.scale, WICK_FAULT(plate_scale_dropped, weight_, 1.0));
    if (!frame_.vectorized() || m.type == SiteType::inspect) return;
    used_ = true;
    if (m.type == SiteType::sample && !m.done && !detail::has_plate(*m.fn, frame_)) detail::expand_to_plate(m, frame_);
  }
  void postprocess(Message& m) override {
    if (m.event_dim >= 0 && frame_.vectorized()) narrow(m);
  }
  const Frame* frame() const noexcept override { return &frame_; }

  /// One past the last turn.
  struct End {
    Index turns;
  };
  /// The turns of a sequential plate; the plate is on the stack while this lives.
  class Turn {
   public:
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { owner_->end_turns(); }
    /// The index of the element whose turn it is.
    Index operator*() const { return owner_->picked_ ? static_cast<Index>(owner_->indices_.data()[owner_->frame_.counter - 1]) : owner_->frame_.counter - 1; }
    Turn& operator++() noexcept {
      owner_->begin_turn(owner_->frame_.counter + 1);
      return *this;
    }
    bool operator!=(End e) const noexcept { return owner_->frame_.counter <= e.turns; }

   private:
    friend class plate;
    explicit Turn(plate* owner) noexcept : owner_(owner) {}
    plate* owner_;
  };
  /// Enters the scope anew, as a sequential plate that leaves at the end of the loop.
  /// Throws wick.plate.E206 when a site has used it as a vectorised one, E205 inside its own loop.
  Turn begin() {
    if (WICK_UNLIKELY(used_)) raise_vectorized();
    if (WICK_UNLIKELY(frame_.counter != 0)) raise_nested();
    leave();
    frame_.dim = 0;
    go_on_stack();
    outer_turns_ = detail::plate_turns;
    begin_turn(1);
    return Turn(this);
  }
  End end() const noexcept { return {frame_.size}; }

 private:
  void go_on_stack() { enter(types_of(SiteType::sample, SiteType::plate, SiteType::inspect), types_of(SiteType::param, SiteType::subsample)); }
  /// What `options` need beyond the rest.
  struct Subsampling {
    Index (plate::*asked_size)(const PlateOptions&) const;
    void (*draw)(Message& m);
  };
  void begin_plate(std::string_view name, Index size, const PlateOptions& options, const Subsampling* how);
  /// What the stack makes of this plate's index message.
  Tensor find_indices(const PlateOptions& options, const Subsampling* how);
  Index asked_size(const PlateOptions& options) const;
  Index free_dim(Index wanted, bool is_full_name) const;
  bool is_renamed() const;
  void narrow(Message& m) const;
  void begin_turn(Index counter) noexcept {
    frame_.counter = counter;
    detail::plate_turns = hash_counter(outer_turns_, frame_.name.hash(), static_cast<std::uint64_t>(counter));
  }
  void end_turns() noexcept {
    leave();
    frame_.counter = 0;
    detail::plate_turns = outer_turns_;
  }
  template <class E>
  [[noreturn]] WICK_COLD void raise(const char* id, detail::Parts text, detail::Parts tries) const {
    detail::raise<E>(id, frame_.name.view(), {"plate \"", frame_.name.view(), "\"", detail::join(text)}, tries);
  }
  [[noreturn]] WICK_COLD void raise_vectorized() const {
    raise<UsageError>("wick.plate.E206", {" has been used as a vectorised plate and is now iterated"}, {"use a second plate for the loop"});
  }
  [[noreturn]] WICK_COLD void raise_nested() const {
    raise<SiteError>("wick.plate.E205", {" is entered inside itself"}, {"give nested plates different names"});
  }
  [[noreturn]] WICK_COLD void raise_data(const Shape& s) const {
    raise<ShapeError>("wick.plate.E209", {".subsample wants data with dim 0 of the plate's full size ", frame_.full_size, ", given is shape ", s},
                      {"give the whole data; the plate takes its elements itself"});
  }
  [[noreturn]] void raise_subsample_differs(Index wanted, const Tensor& got) const;
  [[noreturn]] void raise_narrow(const Message& m, Index dim) const;

  Frame frame_;
  std::uint64_t outer_turns_ = 0;
  mutable Tensor indices_;
  Tensor weight_;         ///< full size / size
  bool picked_ = false;   ///< the elements are those of `indices_`, not all in order
  bool used_ = false;     ///< by a message, as a vectorised plate
};

namespace detail {

/// The first elements of a random permutation of 0, …, n − 1; the only parameter is n.
inline void fill_subsample(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  const auto size = static_cast<Index>(in.data[0][0]);
  const Index count = shape.numel();
  std::size_t capacity = 0;
  void* scratch = thread_pool.take(static_cast<std::size_t>(math::permutation_scratch(size, count)) * sizeof(std::uint64_t), capacity);
  math::fill_permutation_prefix(key, size, count, out, static_cast<std::uint64_t*>(scratch));
  thread_pool.give(scratch, capacity);
}
inline constexpr DrawSpec subsample_draw{"subsample", 1, &fill_subsample};

/// The indices that a plate's message asks for, as a value of the plate's own key; none where they are all.
inline void draw_subsample(Message& m) {
  if (m.size == m.full_size) return;
  const Tensor n = static_cast<double>(m.full_size);
  m.value = draw_value(subsample_draw, sub_key(next_key(m.name.hash(), plate_turns), 1), Shape{m.size}, &n);
}

inline bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(double)) == 0;
}

}  // namespace detail

WICK_COLD inline void plate::raise_subsample_differs(Index wanted, const Tensor& got) const {
  raise<SiteError>("wick.plate.E202", {": its subsample of ", wanted, " elements differs from the one of the guide or of an earlier plate of this name, which has ",
                                       detail::plate_count(got, frame_.full_size)},
                   {"use the same subsample_size in model and guide\n  or leave it out in the model, which then takes the guide's\n  or give the same explicit subsample to both"});
}
WICK_COLD inline void plate::raise_narrow(const Message& m, Index dim) const {
  detail::raise<ShapeError>("wick.plate.E209", m.name ? m.name.view() : frame_.name.view(),
                            {"plate \"", frame_.name.view(), "\" has full size ", frame_.full_size, " at dim ", frame_.dim, ", the shape ", m.value.shape(), m.type == SiteType::subsample ? " of the data" : " of the parameter", " with event_dim ", m.event_dim,
                             " has ", m.value.shape().from_right(dim)},
                            {"store one element for every element of the full plate\n  or say how many rightmost dims belong to one element: {.event_dim = n}"});
}

inline Index plate::asked_size(const PlateOptions& o) const {
  const Index size = frame_.full_size, count = o.subsample_size.value;
  if (count < 0 || count > size)
    raise<DomainError>("wick.plate.E201", {": subsample_size ", count, " is not between 1 and the plate's size ", size}, {"use subsample_size = min(batch, size)"});
  if (o.subsample.empty()) return count != 0 ? count : size;
  const Index given = o.subsample.numel();
  const bool fits = o.subsample.dim() == 1 && given > 0 && (count == 0 || count == given);
  if (!fits || !constraints::integer_interval(0.0, static_cast<double>(size - 1)).contains(o.subsample))
    raise<DomainError>("wick.plate.E203", {": the subsample of shape ", o.subsample.shape(), " is not a vector of ", count != 0 ? detail::join({count, " "}) : "", "indices between 0 and ", size - 1},
                       {"give integers 0 <= i < size, and no other subsample_size than their number"});
  return given;
}

WICK_NOINLINE inline Tensor plate::find_indices(const PlateOptions& o, const Subsampling* how) {
  if (detail::context.innermost == nullptr && (!o.subsample.empty() || frame_.size == frame_.full_size)) return o.subsample;
  Message m;
  m.type = SiteType::plate;
  m.name = frame_.name;
  m.value = o.subsample;
  m.full_size = frame_.full_size;
  m.size = frame_.size;
  m.dim = frame_.dim;
  detail::send(m, how != nullptr ? how->draw : [](Message&) {});
  if (WICK_UNLIKELY(!(m.name == frame_.name))) {  // a scope has put something before it
    frame_.name = m.name;
    free_dim(o.dim, true);
  }
  return std::move(m.value);
}

inline plate::plate(std::string_view name, Count size, const PlateOptions& options) {
  static constexpr Subsampling how{&plate::asked_size, &detail::draw_subsample};
  begin_plate(name, size.value, options, &how);
}

WICK_NOINLINE inline void plate::begin_plate(std::string_view text, Index size, const PlateOptions& o, const Subsampling* how) {
  frame_.name = detail::intern(text);
  frame_.full_size = size;
  try {
    if (WICK_UNLIKELY(size < 1))
      raise<DomainError>("wick.plate.E200", {" has size ", size, "; it must be at least 1"}, {"skip the plate when the data are empty\n  or check how the size is computed"});
    frame_.size = how == nullptr ? size : (this->*how->asked_size)(o);
    frame_.dim = free_dim(o.dim, false);
    Tensor got = find_indices(o, how);
    const Index count = detail::plate_count(got, size);
    const bool asks = o.subsample_size.value != 0 || !o.subsample.empty();
    if ((asks && count != frame_.size) || (!o.subsample.empty() && !detail::same_values(got, o.subsample))) raise_subsample_differs(frame_.size, got);
    frame_.size = count;
    picked_ = !got.empty();
    indices_ = std::move(got);
    weight_ = static_cast<double>(size) / static_cast<double>(count);
    go_on_stack();
  } catch (Error& e) {
    detail::rethrow_located(e, frame_.name);
  }
}

/// Whether a scope around will put something before the name.
WICK_COLD inline bool plate::is_renamed() const {
  Message m;
  m.type = SiteType::plate;
  m.name = frame_.name;
  m.full_size = m.size = frame_.full_size;
  m.done = true;
  detail::pass_out(m, detail::context.innermost);
  return !(m.name == frame_.name);
}

inline Index plate::free_dim(Index wanted, bool is_full_name) const {
  if (WICK_UNLIKELY(wanted > 0 || wanted < -64))
    raise<UsageError>("wick.plate.E204", {": plate dims are negative, from the right of batch_shape, and at least -64; given is ", wanted}, {"use dim = -1, -2, …, or leave it out"});
  Index dim = wanted != 0 ? wanted : -1;
  for (const Handler* h = detail::context.innermost; h != nullptr;) {
    const Frame* f = h->frame();
    h = h->outer();
    if (f == nullptr) continue;
    if (WICK_UNLIKELY(f->name == frame_.name) && (is_full_name || !is_renamed())) raise_nested();
    if (f->dim != dim) continue;
    if (wanted != 0)
      raise<SiteError>("wick.plate.E207", {" wants dim ", dim, ", which the plate \"", f->name.view(), "\" around it has"}, {"leave dim out: the rightmost free one is taken\n  or give one of the two another dim"});
    --dim;
    h = detail::context.innermost;  // plates may be in any order of dims
  }
  return dim;
}

inline void plate::narrow(Message& m) const {
  const Index dim = frame_.dim - m.event_dim;
  if (m.value.dim() < -dim) return;
  const Index have = m.value.shape().from_right(dim);
  if (have == 1) return;
  if (WICK_UNLIKELY(have != frame_.full_size)) raise_narrow(m, dim);
  if (picked_) m.value = take(m.value, indices_, dim);
}

}  // namespace wick::inline WICK_ABI
