/// \file
/// The record of one run: its sites in execution order.
#pragma once

#include <wick/core/list.hpp>
#include <wick/effect/dist_box.hpp>
#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI {

/// One site of a trace: a copy of its message with everything that inference asks of it.
class Site {
 public:
  SiteType type = SiteType::sample;
  Name name;
  Tensor value;
  bool is_observed = false;
  Tensor scale = 1.0;
  Tensor mask;
  Frames frames;
  Infer infer;
  Param* param = nullptr;  ///< param sites: until the store is cleared
  Index full_size = 0;     ///< plates; their value is the indices in the plate, empty when they are all, in order
  Index dim = 0;           ///< plates

  /// The distribution of a sample site; null for other types.
  Distribution* fn() const noexcept { return fn_.get(); }

  /// log density without scale and mask, one number per batch element, 0 for what is no sample site; remembered.
  const Tensor& unscaled_log_prob() const {
    elementwise_ = true;
    if (unscaled_.empty())
      unscaled_ = located([this] { return fn() == nullptr ? Tensor(0.0) : fn()->log_prob(value); });
    return unscaled_;
  }
  /// scale · log density, exactly 0 where masked; remembered.
  const Tensor& log_prob() const {
    if (!log_prob_.empty()) return log_prob_;
    elementwise_ = true;
    if (mask.empty() || fn() == nullptr)
      log_prob_ = is_one(scale) ? unscaled_log_prob() : located([this] { return scale * unscaled_log_prob(); });
    else  // masked elements may hold anything: they must reach neither value nor gradient of the density
      log_prob_ = located([this] { return scale * fn()->log_prob(value, mask); });
    return log_prob_;
  }
  /// The log density whose gradient is the score: neither scaled nor masked, by no mask whatever.
  Tensor score_function() const {
    if (fn() == nullptr || !fn()->has_mask()) return unscaled_log_prob();
    return located([this] {
      detail::DistBox whole;
      whole.assign(*fn());
      whole.get()->drop_mask();
      return whole.get()->log_prob(value);
    });
  }
  /// Σ of `log_prob()`; one record where scale is a plain number.
  const Tensor& log_prob_sum() const {
    if (sum_.empty()) make_sum();
    return sum_;
  }

  /// Becomes a copy of the message; only where this site is new or has been reset.
  WICK_NOINLINE void assign(const Message& m) {
    type = m.type;
    name = m.name;
    value = m.value;
    is_observed = m.is_observed;
    if (WICK_UNLIKELY(!is_one(m.scale))) scale = m.scale;
    if (WICK_UNLIKELY(!m.mask.empty())) mask = m.mask;
    if (m.frames.empty())
      frames.clear();
    else
      frames = m.frames;
    infer = m.infer;
    param = m.param;
    full_size = m.full_size;
    dim = m.dim;
    if (m.fn != nullptr) fn_.assign(*m.fn);
  }
  /// Gives up values and distribution.
  WICK_NOINLINE void reset() noexcept {
    value = Tensor();
    sum_ = Tensor();
    if (WICK_UNLIKELY(elementwise_))
      for (Tensor* t : {&unscaled_, &log_prob_}) *t = Tensor();
    elementwise_ = false;
    if (WICK_UNLIKELY(!mask.empty())) mask = Tensor();
    if (WICK_UNLIKELY(!is_one(scale))) scale = 1.0;
    fn_.clear();
  }

 private:
  WICK_NOINLINE void make_sum() const {
    if (is_plain(scale) && fn() != nullptr)
      sum_ = located([this] { return fn()->log_prob_sum(value, detail::TensorAccess::scalar(scale), mask); });
    else
      sum_ = sum(log_prob());
  }
  static bool is_plain(const Tensor& t) noexcept { return detail::TensorAccess::is_scalar(t) && detail::TensorAccess::run(t) == 0; }
  static bool is_one(const Tensor& t) noexcept { return is_plain(t) && detail::TensorAccess::scalar(t) == 1.0; }
  /// f(), with records and errors that name this site and its plates.
  template <class F>
  Tensor located(F f) const {
    const detail::SiteMark mark(name);
    try {
      return f();
    } catch (Error& e) {
      detail::Text plates;
      for (const Frame& x : frames) plates.add(plates.empty() ? "" : ", ").add(detail::frame_text(x));
      e.locate(name.view(), plates);
      throw;
    }
  }

  detail::DistBox fn_;
  mutable Tensor unscaled_, log_prob_, sum_;
  mutable bool elementwise_ = false;  ///< one of the first two has a value
};

/// The sites of one run in execution order. Copies are independent and outlive the run.
class Trace {
 public:
  Trace() = default;
  Trace(const Trace&) = default;
  Trace& operator=(const Trace&) = default;
  Trace(Trace&& o) noexcept : Trace() { swap(o); }
  Trace& operator=(Trace&& o) noexcept {
    Trace taken(std::move(o));
    swap(taken);
    return *this;
  }
  ~Trace() = default;
  void swap(Trace& o) noexcept {
    sites_.swap(o.sites_);
    names_.swap(o.names_);
    table_.swap(o.table_);
    std::swap(used_, o.used_);
    std::swap(known_, o.known_);
    std::swap(generation_, o.generation_);
    std::swap(moved_plates_, o.moved_plates_);
    return_value_.swap(o.return_value_);
  }

  std::size_t size() const noexcept { return used_; }
  bool empty() const noexcept { return used_ == 0; }
  const Site& operator[](std::size_t i) const noexcept { return sites_[i]; }
  const Site* begin() const noexcept { return sites_.data(); }
  const Site* end() const noexcept { return sites_.data() + used_; }

  bool contains(std::string_view name) const { return find(Name(name)) != nullptr; }
  /// The site of that name. Throws wick.trace.E220 when there is none.
  const Site& at(std::string_view name) const {
    const Site* s = find(Name(name));
    if (s == nullptr)
      detail::raise<SiteError>("wick.trace.E220", name, {"the trace has no such site\n", shape_table()}, {"use one of the names in the table"});
    return *s;
  }
  const Site& operator[](std::string_view name) const { return at(name); }
  const Site* find(Name name) const noexcept {
    const std::size_t i = position(name);
    return i == none ? nullptr : &sites_[i];
  }

  /// Σ of log densities over all sample sites, scaled and masked.
  Tensor log_prob_sum() const {
    Tensor total = 0.0;
    for (const Site& s : *this)
      if (s.type == SiteType::sample) total = total + s.log_prob_sum();
    return total;
  }
  /// What the model returned, if it returned a tensor.
  const Tensor& return_value() const noexcept { return return_value_; }
  void set_return_value(Tensor t) { return_value_ = std::move(t); }

  /// A table of the sites' shapes: name, distribution, batch and event shape of distribution and value.
  std::string format_shapes() const { return std::string(shape_table().view()); }
  detail::Text shape_table() const;

  // For handlers and inference:
  /// Adds the message's site. Throws wick.trace.E221 for a second sample site of a name, E222 for a name used by two types, wick.plate.E210.
  void add(const Message& m) {
    if (WICK_LIKELY(used_ < known_ && names_[used_] == m.name && !moved_plates_)) return sites_[used_++].assign(m);
    add_other(m);
  }
  /// Forgets the sites but keeps their memory.
  WICK_NOINLINE void clear() noexcept {
    for (std::size_t i = 0; i < used_; ++i) sites_[i].reset();
    used_ = 0;
    moved_plates_ = false;
    if (!return_value_.empty()) return_value_ = Tensor();
  }

 private:
  void check_moved(const Message& m) const;
  /// The same for a site that is not the next one of the last run.
  void add_other(const Message& m);
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr std::size_t kScan = 12;  // up to here a scan of the names is faster than a table

  std::size_t position(Name name) const noexcept {
    if (used_ <= kScan) {
      for (std::size_t i = 0; i < used_; ++i)
        if (names_[i] == name) return i;
      return none;
    }
    for (std::size_t i = name.id() & (table_.size() - 1);; i = (i + 1) & (table_.size() - 1)) {
      const Slot& s = table_[i];
      if (s.generation != generation_) return none;
      if (names_[s.position] == name) return s.position < used_ ? s.position : none;
    }
  }
  void enter_table(std::size_t position) {
    std::size_t i = names_[position].id() & (table_.size() - 1);
    while (table_[i].generation == generation_) i = (i + 1) & (table_.size() - 1);
    table_[i] = Slot{generation_, static_cast<std::uint32_t>(position)};
  }
  /// Room for a site of a new name behind the others. What the last run had from here on is forgotten.
  WICK_NOINLINE void append(Name name) {
    if (used_ == sites_.size()) {
      sites_.push_back(Site());
      names_.push_back(Name());
    }
    const bool forgets = known_ > used_;
    names_[used_] = name;
    known_ = used_ + 1;
    if (known_ <= kScan) return;
    if (forgets || known_ == kScan + 1 || 2 * known_ > table_.size()) {
      std::size_t room = table_.empty() ? 64 : table_.size();
      while (room < 4 * known_) room *= 2;
      ++generation_;
      table_.resize(room);
      for (std::size_t i = 0; i < known_; ++i) enter_table(i);
    } else {
      enter_table(used_);
    }
  }
  struct Slot {
    std::uint64_t generation = 0;
    std::uint32_t position = 0;
  };

  detail::List<Site> sites_;
  detail::List<Name> names_;
  detail::List<Slot> table_;
  std::size_t used_ = 0;
  // The first names, all different: those of this run's sites and, as long as they agree, of the last run's: a program
  // whose sites return in the same order needs no search for names that return.
  std::size_t known_ = 0;
  std::uint64_t generation_ = 1;
  bool moved_plates_ = false;  ///< some plate has returned with another dim
  Tensor return_value_;
};

namespace detail {

WICK_COLD inline const char* type_text(SiteType t) {
  const char* const texts[] = {"sample site", "parameter", "plate", "deterministic site"};
  return texts[static_cast<unsigned>(t)];
}
[[noreturn]] WICK_COLD inline void raise_returns(Name name, SiteType before, SiteType now) {
  if (before != now)
    raise<SiteError>("wick.trace.E222", name.view(), {"the name is used by a ", type_text(before), " and by a ", type_text(now)}, {"rename one of the two"});
  raise<SiteError>("wick.trace.E221", name.view(), {"a second ", type_text(now), " of this name in one run"},
                   {"give every site its own name, as in \"x_\" + std::to_string(i)\n  or use a vectorised plate instead of a loop"});
}
[[noreturn]] WICK_COLD inline void raise_plate_returns(const Message& m, const Site& before, const char* where) {
  raise<SiteError>("wick.plate.E210", m.name.view(),
                   {"plate \"", m.name.view(), "\" has ", plate_count(m.value, m.full_size), " of ", m.full_size, " elements and dim ", m.dim, "; ", where, " it had ",
                    plate_count(before.value, before.full_size), " of ", before.full_size, " and dim ", before.dim},
                   {"use one size and dim for one name\n  or give one of the two plates another name"});
}

}  // namespace detail

/// A plate may return with another dim as long as sites use only one: what is iterated has none. Throws wick.plate.E210.
WICK_COLD inline void Trace::check_moved(const Message& m) const {
  for (const Frame& f : m.frames)
    for (const Site& s : *this)
      for (const Frame& before : s.frames)
        if (f.vectorized() && before.vectorized() && f.name == before.name && f.dim != before.dim)
          detail::raise<SiteError>("wick.plate.E210", m.name.view(), {"plate \"", f.name.view(), "\" has dim ", f.dim, " here and dim ", before.dim, " around \"", s.name.view(), "\""},
                                   {"give the plate the same dim at both places: {.dim = ", before.dim, "}\n  or give one of the two plates another name"});
}

WICK_NOINLINE inline void Trace::add_other(const Message& m) {
  const std::size_t at = position(m.name);
  if (at != none) {
    Site& s = sites_[at];
    if (s.type != m.type || s.type == SiteType::sample || s.type == SiteType::deterministic) detail::raise_returns(m.name, s.type, m.type);
    const auto count = [](const auto& x) { return detail::plate_count(x.value, x.full_size); };
    if (m.type == SiteType::plate) {
      if (s.full_size != m.full_size || count(s) != count(m)) detail::raise_plate_returns(m, s, "before in this run");
      moved_plates_ = moved_plates_ || s.dim != m.dim;
    }
    s.reset();
    return s.assign(m);
  }
  if (WICK_UNLIKELY(moved_plates_)) check_moved(m);
  append(m.name);
  sites_[used_++].assign(m);
}

namespace detail {
/// One cell of the shape table; row 0 is the head.
WICK_COLD inline Text shape_cell(const Site* s, unsigned column) {
  constexpr const char* head[] = {"site", "what", "shape", "value"};
  if (s == nullptr) return head[column];
  const bool sample = s->type == SiteType::sample;
  switch (column) {
    case 0: return s->name.view();
    case 1: {
      constexpr const char* what[] = {"", "param", "plate", "deterministic"};
      return sample ? join({s->fn()->name(), s->is_observed ? " (observed)" : ""}) : Text(what[static_cast<unsigned>(s->type)]);
    }
    case 2:
      if (sample) return join({s->fn()->batch_shape(), " | ", s->fn()->event_shape()});
      return s->type == SiteType::plate ? join({"size ", s->full_size, ", dim ", s->dim}) : Text();
    default: return s->value.empty() ? Text("-") : join({s->value.shape()});
  }
}
}  // namespace detail

WICK_COLD inline detail::Text Trace::shape_table() const {
  detail::Text out;
  std::size_t column[5] = {2};
  for (unsigned k = 0; k < 4; ++k) {
    std::size_t width = detail::shape_cell(nullptr, k).size();
    for (const Site& s : *this) {
      const std::size_t w = detail::shape_cell(&s, k).size();
      width = w > width ? w : width;
    }
    column[k + 1] = column[k] + width + 2;
  }
  for (std::size_t i = 0; i <= used_; ++i) {
    detail::Text line;
    for (unsigned k = 0; k < 4; ++k) line.pad_to(column[k]).add(detail::shape_cell(i == 0 ? nullptr : begin() + (i - 1), k));
    line.trim();
    out.add(line).add("\n");
  }
  return out;
}

namespace detail {
/// To be called where a program run under a trace has thrown: says what a second site of a name means if it is not this trace that has it twice, and appends the
/// shape table of the run so far, once. Throws wick.trace.E223.
WICK_COLD inline void add_shape_table(Error& e, const Trace& t) {
  if (!e.has_notes() && std::string_view(e.id()) == "wick.trace.E221" && t.find(Name(e.site())) == nullptr)
    raise<SiteError>("wick.trace.E223", e.site(),
                     {"a trace around records the site too, and has one of this name already: a program that is traced runs other programs more than once, or under its own names, as "
                      "optimize, SVI, Predictive, get_trace and queue do"},
                     {"do it outside the traced program, and pass it the result\n  or hide the sites from the trace around: { const handlers::block hidden; optimize(model)(x); }"});
  if (e.has_notes() || t.empty()) return;
  e.add_note(join({"sites so far:\n", t.shape_table()}));
}
}  // namespace detail

}  // namespace wick::inline WICK_ABI
