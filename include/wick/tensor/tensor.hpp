/// \file
/// Tensor: the one value type.
#pragma once

#include <span>
#include <vector>

#include <wick/core/context.hpp>
#include <wick/tensor/block.hpp>

namespace wick::inline WICK_ABI {

class Tensor;

namespace detail {

/// What a value depends on; the larger kind wins in an operation.
enum class Kind : std::uint8_t { constant = 0, varying = 1, differentiable = 2 };

enum class Form : std::uint8_t { empty = 0, scalar = 1, block = 2 };

/// How to make a tensor from another type: `static Tensor make(const T&)`. Specialised for vectors, spans and Eigen.
template <class T>
struct TensorSource;

/// One level of a nested initialiser list.
struct Nested {
  double value = 0;
  const Nested* items = nullptr;
  std::size_t count = 0;
  bool list = false;  ///< also of an empty list, which has neither items nor count
  template <class T>
    requires std::is_arithmetic_v<T>
  constexpr Nested(T x) : value(static_cast<double>(x)) {}                                          // NOLINT
  constexpr Nested(std::initializer_list<Nested> l) : count(l.size()), list(true) {
    items = l.begin();  // the lists of one expression outlive the constructor that reads them
  }  // NOLINT
};

struct TensorAccess;

[[noreturn]] WICK_COLD inline void raise_empty(const char* what) {
  raise<UsageError>("wick.tensor.E100", "", {what, " of the empty tensor: it has no value"},
                    {"give it a value, or test with empty() first"});
}
[[noreturn]] WICK_COLD inline void raise_item(const Shape& s) {
  raise<ShapeError>("wick.tensor.E101", "", {"item() wants exactly one element, this tensor has shape ", s},
                    {"read one element with at({i, ...}), or reduce it first, as in sum(x)"});
}

}  // namespace detail

/// A value: an immutable row-major array of doubles of any rank, held by a cheap handle.
///
/// Shapes: rank 0 is a scalar kept in the handle; operations broadcast as numpy does. A default-constructed tensor is
/// *empty*: it has no value (`obs` of it means "not observed"), which differs from a tensor with 0 elements.
/// Masks are tensors of 0 and 1, indices are tensors of integers.
/// Gradients: a tensor read inside a recording carries its record; when the recording ends, it is just its value.
/// Threads: values may be shared once the step that made them has ended. Conversions out are explicit.
class Tensor {
 public:
  constexpr Tensor() noexcept : block_(nullptr) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Tensor(T x) noexcept : scalar_(static_cast<double>(x)), tag_(tag(0, detail::Form::scalar, detail::Kind::constant)) {}  // NOLINT: implicit by design
  /// Nested lists: `Tensor{1, 2, 3}` is a vector, `Tensor{{1.0}}` a 1 × 1 matrix.
  Tensor(std::initializer_list<detail::Nested> list);
  /// From std::vector, std::span, std::array, Eigen matrices, arrays, maps and blocks. Copies.
  template <class T>
    requires(!std::is_arithmetic_v<T>) && requires(const T& t) { detail::TensorSource<T>::make(t); }
  Tensor(const T& source) : Tensor(detail::TensorSource<T>::make(source)) {}  // NOLINT: implicit by design

  Tensor(const Tensor& o) noexcept : block_(o.block_), run_(o.run_), tag_(o.tag_) {
    if (form() == detail::Form::block) detail::retain(block_);
  }
  Tensor(Tensor&& o) noexcept : block_(o.block_), run_(o.run_), tag_(o.tag_) { o.forget(); }
  Tensor& operator=(const Tensor& o) noexcept {
    if (o.form() == detail::Form::block) detail::retain(o.block_);
    detail::Block* old = form() == detail::Form::block ? block_ : nullptr;
    take_fields(o);
    if (old != nullptr) detail::release(old);
    return *this;
  }
  Tensor& operator=(Tensor&& o) noexcept {
    if (this == &o) return *this;
    detail::Block* old = form() == detail::Form::block ? block_ : nullptr;
    take_fields(o);
    o.forget();
    if (old != nullptr) detail::release(old);
    return *this;
  }
  constexpr ~Tensor() {  // constexpr for the empty value, so that constants with bounds cost nothing unused
    if (form() == detail::Form::block) detail::release(block_);
  }
  void swap(Tensor& o) noexcept {
    std::swap(block_, o.block_);
    std::swap(run_, o.run_);
    std::swap(tag_, o.tag_);
  }

  /// Whether it has no value at all.
  bool empty() const noexcept { return form() == detail::Form::empty; }
  const Shape& shape() const noexcept { return form() == detail::Form::block ? block_->shape : scalar_shape(); }
  /// The number of dimensions.
  Index dim() const noexcept { return form() == detail::Form::block ? block_->shape.rank() : 0; }
  /// The number of elements; 0 for the empty tensor.
  Index numel() const noexcept {
    return form() == detail::Form::block ? block_->numel : (form() == detail::Form::scalar ? 1 : 0);
  }
  /// The size of dimension `d`, negative from the right. Throws wick.tensor.E102 when there is no such dimension.
  Index size(Index d) const;

  /// The only element. Throws wick.tensor.E101 unless there is exactly one.
  double item() const {
    if (WICK_LIKELY(form() == detail::Form::scalar && detail::context.step == nullptr)) return scalar_;
    return item_cold();
  }
  template <class T>
  T item() const {
    return static_cast<T>(item());
  }
  explicit operator double() const { return item(); }
  /// One element; indices may be negative. Throws wick.tensor.E102.
  double at(std::initializer_list<Count> index) const;
  /// The elements in row-major order; valid while this tensor lives and is not assigned to.
  const double* data() const;
  std::span<const double> values() const& { return {data(), static_cast<std::size_t>(numel())}; }
  /// Of a temporary, a copy: `for (double v : exp(x).values())` would read what is gone.
  std::vector<double> values() const&& { return to_vector(); }
  std::vector<double> to_vector() const {
    const auto v = values();
    return {v.begin(), v.end()};
  }
  /// As another type of number, each converted as by static_cast: `indices.to_vector<int>()`.
  template <class T>
  std::vector<T> to_vector() const {
    std::vector<T> out;
    out.reserve(static_cast<std::size_t>(numel()));
    const double* x = data();
    for (Index i = 0; i < numel(); ++i) out.push_back(static_cast<T>(x[i]));
    return out;
  }

 private:
  friend struct detail::TensorAccess;
  static const Shape& scalar_shape() noexcept {
    return scalar_shape_;
  }
  static inline constinit const Shape scalar_shape_{};
  // Record, form and kind are one word: a handle that was just made is copied at once, and a load that spans several smaller stores
  // waits for all of them to leave the store buffer.
  static constexpr std::uint64_t tag(std::uint32_t record, detail::Form form, detail::Kind kind) noexcept {
    return record | static_cast<std::uint64_t>(form) << 32 | static_cast<std::uint64_t>(kind) << 40;
  }
  constexpr detail::Form form() const noexcept { return static_cast<detail::Form>(tag_ >> 32 & 0xff); }
  void forget() noexcept {
    run_ = 0;
    tag_ = 0;
  }
  void take_fields(const Tensor& o) noexcept {
    block_ = o.block_;
    run_ = o.run_;
    tag_ = o.tag_;
  }
  double item_cold() const;
  void check_read(const char* what) const;

  union {
    double scalar_;
    detail::Block* block_;
  };
  std::uint64_t run_ = 0;
  std::uint64_t tag_ = 0;  // of the empty tensor
};

namespace detail {

/// The library's own way into a handle.
struct TensorAccess {
  static double scalar(const Tensor& t) noexcept { return t.scalar_; }
  static bool is_scalar(const Tensor& t) noexcept { return t.form() == Form::scalar; }
  static bool is_block(const Tensor& t) noexcept { return t.form() == Form::block; }
  static Block* block(const Tensor& t) noexcept { return t.block_; }
  static std::uint64_t run(const Tensor& t) noexcept { return t.run_; }
  static std::uint32_t record(const Tensor& t) noexcept { return static_cast<std::uint32_t>(t.tag_); }
  static Kind kind(const Tensor& t) noexcept { return static_cast<Kind>(t.tag_ >> 40 & 0xff); }

  /// Takes over one reference.
  static Tensor adopt(Block* b) noexcept {
    Tensor t;
    t.block_ = b;
    t.tag_ = Tensor::tag(0, Form::block, Kind::constant);
    return t;
  }
  static void attach(Tensor& t, std::uint64_t run, std::uint32_t record, Kind kind) noexcept {
    t.run_ = run;
    t.tag_ = Tensor::tag(record, t.form(), kind);
  }
  /// The same value without its record.
  static Tensor detached(const Tensor& t) noexcept {
    Tensor out(t);
    out.run_ = 0;
    out.tag_ = Tensor::tag(0, t.form(), Kind::constant);
    return out;
  }
  /// The data as it is stored: one element for scalars, the base's for expanded values.
  static const double* stored(const Tensor& t) noexcept { return t.form() == Form::block ? t.block_->data : &t.scalar_; }
  static const Shape& stored_shape(const Tensor& t) noexcept {
    if (t.form() != Form::block) return t.shape();
    if (!t.block_->expanded) return t.block_->shape;
    return t.block_->base != nullptr ? t.block_->base->shape : Tensor::scalar_shape_;
  }
  static Index stored_numel(const Tensor& t) noexcept {
    if (t.form() != Form::block) return 1;
    if (!t.block_->expanded) return t.block_->numel;
    return t.block_->base != nullptr ? t.block_->base->numel : 1;
  }
  static bool is_expanded(const Tensor& t) noexcept { return t.form() == Form::block && t.block_->expanded; }
  /// Writable data of a block nobody else has seen.
  static double* fresh_data(Tensor& t) noexcept { return t.form() == Form::block ? t.block_->data : &t.scalar_; }

  /// Takes the block's reference out of the handle.
  static Block* take_block(Tensor& t) noexcept {
    t.tag_ = 0;
    return t.block_;
  }
  /// An uninitialised value of this shape.
  static Tensor make(const Shape& shape) {
    if (shape.empty()) return Tensor(0.0);
    return adopt(make_block(shape));
  }
};

/// Copies `from` (stored with shape `small`) into `to` of shape `shape` by broadcasting, a row at a time.
WICK_NOINLINE inline void broadcast_copy(const double* from, const Shape& small, double* to, const Shape& shape) {
  if (shape.numel() == 0) return;
  const Index full = shape.rank();
  Index rank = full;
  while (rank > 0 && shape[static_cast<std::size_t>(rank - 1)] == 1) --rank;
  SmallVector<Index, 5> stride, at;
  stride.resize(shape.size());
  at.resize(shape.size());
  Index step = 1;
  for (Index d = rank - 1; d >= 0; --d) {
    const Index size = small.from_right(d - full);
    stride[static_cast<std::size_t>(d)] = size == 1 ? 0 : step;
    at[static_cast<std::size_t>(d)] = 0;
    step *= size;
  }
  const auto last = static_cast<std::size_t>(rank - 1);
  const Index run = rank == 0 ? 1 : shape[last];
  const bool fixed = rank == 0 || stride[last] == 0;
  for (Index offset = 0;;) {
    if (fixed)
      for (Index i = 0; i < run; ++i) to[i] = from[offset];
    else
      std::memcpy(to, from + offset, static_cast<std::size_t>(run) * sizeof(double));
    to += run;
    Index d = rank - 2;
    for (; d >= 0; --d) {
      const auto k = static_cast<std::size_t>(d);
      offset += stride[k];
      if (++at[k] < shape[k]) break;
      offset -= stride[k] * shape[k];
      at[k] = 0;
    }
    if (d < 0) return;
  }
}

/// The dense form of an expanded value, made once.
WICK_NOINLINE inline Block* dense_block(Block* b) {
  if (!b->expanded) return b;
  if (Block* d = b->dense.load()) return d;
  Block* fresh = make_block(b->shape);
  broadcast_copy(b->data, b->base != nullptr ? b->base->shape : Shape{}, fresh->data, b->shape);
  Block* expected = nullptr;
  if (b->dense.replace(expected, fresh)) return fresh;
  release(fresh);
  return expected;
}

[[noreturn]] WICK_COLD inline void raise_dim(Index d, const Shape& s) {
  raise<ShapeError>("wick.tensor.E102", "", {"no dimension ", d, " in shape ", s}, {"dimensions count from 0, or from -1 at the right"});
}
[[noreturn]] WICK_COLD inline void raise_element(Index i, std::size_t d, const Shape& s) {
  raise<ShapeError>("wick.tensor.E102", "", {"no element ", i, " in dimension ", static_cast<Index>(d), " of shape ", s},
                    {"elements count from 0, or from -1 at the end of a dimension"});
}
[[noreturn]] WICK_COLD inline void raise_index_count(std::size_t n, const Shape& s) {
  raise<ShapeError>("wick.tensor.E102", "", {"at() of ", static_cast<Index>(n), " indices, shape ", s, " has ", s.rank(), " dimensions"},
                    {"give one index a dimension, as in x.at({i, j}) of a matrix; rows are taken by slice"});
}

WICK_COLD inline void nested_shape(const Nested* items, std::size_t count, Shape& shape, std::size_t depth) {
  if (shape.size() == depth)
    shape.push_back(static_cast<Index>(count));
  else if (shape[depth] != static_cast<Index>(count))
    raise<ShapeError>("wick.tensor.E103", "", {"nested lists of different lengths: ", shape[depth], " and ", static_cast<Index>(count)},
                      {"give every row the same number of elements"});
  for (std::size_t i = 0; i < count; ++i) {
    if (items[i].list)
      nested_shape(items[i].items, items[i].count, shape, depth + 1);
    else if (shape.size() > depth + 1)
      raise<ShapeError>("wick.tensor.E103", "", {"nested lists of different depths"}, {"give every element the same depth"});
  }
}
WICK_COLD inline double* nested_fill(const Nested* items, std::size_t count, double* to, std::size_t depth, std::size_t rank) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!items[i].list && depth + 1 != rank)
      raise<ShapeError>("wick.tensor.E103", "", {"nested lists of different depths"}, {"give every element the same depth"});
    if (items[i].list)
      to = nested_fill(items[i].items, items[i].count, to, depth + 1, rank);
    else
      *to++ = items[i].value;
  }
  return to;
}

}  // namespace detail

inline Tensor::Tensor(std::initializer_list<detail::Nested> list) : Tensor() {
  Shape shape;
  detail::nested_shape(list.begin(), list.size(), shape, 0);
  Tensor t = detail::TensorAccess::make(shape);
  detail::nested_fill(list.begin(), list.size(), t.block_->data, 0, shape.size());
  swap(t);
}

inline Index Tensor::size(Index d) const {
  if (empty()) detail::raise_empty("size()");
  const Index rank = dim();
  const Index i = d < 0 ? d + rank : d;
  if (i < 0 || i >= rank) detail::raise_dim(d, shape());
  return shape()[static_cast<std::size_t>(i)];
}

WICK_COLD inline void Tensor::check_read(const char* what) const {
  for (const detail::StepScope* s = detail::context.step; s != nullptr; s = s->outer)
    if (run_ == s->run)
      detail::raise<UsageError>("wick.op.E181", "", {what, " of a value that changes from step to step, inside the step of a scan: the step is recorded once and then run for all"},
                        {"choose with where(condition, a, b) instead of if\n  or read the scan's result afterwards"});
}

WICK_COLD inline double Tensor::item_cold() const {
  if (empty()) detail::raise_empty("item()");
  check_read("item()");
  if (form() == detail::Form::scalar) return scalar_;
  if (block_->numel != 1) detail::raise_item(shape());
  return block_->data[0];
}

inline const double* Tensor::data() const {
  if (WICK_UNLIKELY(detail::context.step != nullptr)) check_read("data()");
  if (form() == detail::Form::scalar) return &scalar_;
  if (form() == detail::Form::empty) detail::raise_empty("data()");
  return detail::dense_block(block_)->data;
}

inline double Tensor::at(std::initializer_list<Count> index) const {
  if (empty()) detail::raise_empty("at()");
  if (static_cast<Index>(index.size()) != dim()) detail::raise_index_count(index.size(), shape());
  Index offset = 0;
  std::size_t k = 0;
  for (const Count i : index) {
    const Index n = shape()[k++];
    const Index j = i.value < 0 ? i.value + n : i.value;
    if (j < 0 || j >= n) detail::raise_element(i.value, k - 1, shape());
    offset = offset * n + j;
  }
  return data()[offset];
}

}  // namespace wick::inline WICK_ABI
