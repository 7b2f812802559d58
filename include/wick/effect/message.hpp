/// \file
/// The message that a primitive sends through the handler stack, and its parts.
#pragma once

#include <wick/core/names.hpp>
#include <wick/dist/distribution.hpp>

namespace wick::inline WICK_ABI {

class Param;
namespace detail {
struct HandlerAccess;
struct ParamRequest;
}

/// What a message is about. The first four are sites, which traces record; the others only ask: `subsample` for the plates' elements of some data,
/// `inspect` for what the handlers around would do to a site.
enum class SiteType : std::uint8_t { sample, param, plate, deterministic, subsample, inspect };

/// Some of the types.
using SiteTypes = std::uint8_t;
template <class... T>
constexpr SiteTypes types_of(T... t) noexcept {
  return static_cast<SiteTypes>((0u | ... | (1u << static_cast<unsigned>(t))));
}
/// All types of sites.
inline constexpr SiteTypes no_types = 0, all_types = 0x0f;

/// Whether and how a discrete site is summed over instead of drawn.
enum class Enumerate : std::uint8_t { no, sequential, parallel };

/// Per-site instructions to inference; copied into the message.
struct Infer {
  bool is_auxiliary = false;     ///< a guide site that the model does not have, on purpose
  bool is_score_factor = false;  ///< a factor whose weight is the density of something drawn without gradient
  bool is_open_factor = false;   ///< a factor that does not say which of the two it is: not allowed in a guide
  bool from_prior = false;       ///< a latent model site that the guide leaves out, on purpose: drawn from its prior
  bool do_not_trace = false;     ///< traces leave the site out
  bool was_observed = false;     ///< observed by the program, but made latent by `handlers::uncondition`
  Enumerate enumerate = Enumerate::no;  ///< for losses that sum over discrete sites; of today's none does
  bool expand = false;           ///< enumerate: over the whole batch shape
  std::int32_t num_samples = 0;  ///< enumerate: this many draws in place of all values; 0: all
  std::int32_t enumerate_dim = 0;  ///< enumerate: the dim that the values were given, negative; 0: none
};

/// One plate around a site. Two frames are the same iff name, dim, size and counter agree.
struct Frame {
  Name name;
  Index dim = 0;      ///< negative, from the right of batch_shape; 0 for a sequential plate
  Index size = 0;     ///< of the subsample
  Index full_size = 0;
  Index counter = 0;  ///< 1, 2, … in a sequential plate; 0 in a vectorised one

  bool vectorized() const noexcept { return dim != 0; }
  friend bool operator==(const Frame& a, const Frame& b) noexcept {
    return a.name == b.name && a.dim == b.dim && a.size == b.size && a.counter == b.counter;
  }
};
/// Outermost first.
using Frames = detail::SmallVector<Frame, 3>;

/// What travels through the stack: handlers read and change it (docs/design.md §8, semantics of E1–E2).
///
/// `process` runs from the innermost handler outwards, so the outermost writer wins; `postprocess` runs the other way.
struct Message {
  SiteType type = SiteType::sample;
  Name name;
  Distribution* fn = nullptr;        ///< sample: the distribution, owned by the call; may be changed in place
  Tensor value;                      ///< empty until known
  bool is_observed = false;
  bool done = false;                 ///< the value is final
  bool stop = false;                 ///< handlers outside do not see this message
  bool intervened = false;           ///< `handlers::do_` has given the program another value than this site's
  Tensor scale = 1.0;                ///< multiplies the log density
  Tensor mask;                       ///< empty: all elements count
  Frames frames;                     ///< the plates around the site
  Infer infer;
  Index event_dim = -1;              ///< param in plates: how many rightmost dims are the event; −1: not said
  Param* param = nullptr;            ///< param: the stored parameter behind the value; null before it is read, and where a handler gives the value
  const detail::ParamRequest* request = nullptr;  ///< param: how it is declared
  void* lifted = nullptr;            ///< param that is a sample site: the note of `handlers::lift`
  Index full_size = 0;               ///< plate: its size
  Index size = 0;                    ///< plate: how many indices are asked for; the value is the indices, empty when they are all, in order
  Index dim = 0;                     ///< plate: its dim
};

/// A handler: gives primitives their meaning while it is on the stack.
///
/// Derive, override `process` and/or `postprocess`, call `enter()` last in the constructor (it may say for which types of messages the two
/// are called at all, which saves the calls that would do nothing); the destructor leaves. A handler is a scope: it is
/// neither copied nor moved, and it is destroyed by the thread that entered it, after the handlers entered inside it; otherwise it leaves
/// all the same, with a warning (wick.handler.W241).
class Handler {
 public:
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  virtual void process(Message&) {}
  virtual void postprocess(Message&) {}

  /// The next handler outwards, or null.
  Handler* outer() const noexcept { return outer_; }
  Handler* inner() const noexcept { return inner_; }
  /// The frame of a plate that is on the stack; null for other handlers.
  virtual const Frame* frame() const noexcept { return nullptr; }

 protected:
  Handler() = default;
  virtual ~Handler() {
    if (WICK_UNLIKELY(owner_ != nullptr && (inner_ != nullptr || owner_ != &detail::context))) warn_displaced();
    leave();
  }

  /// Goes on top of the stack. Throws wick.handler.E240 when on it already.
  void enter(SiteTypes processes = all_types, SiteTypes postprocesses = all_types);
  void leave() noexcept {
    if (owner_ == nullptr) return;
    (outer_ != nullptr ? outer_->inner_ : owner_->outermost) = inner_;
    (inner_ != nullptr ? inner_->outer_ : owner_->innermost) = outer_;
    owner_ = nullptr;
  }
  bool entered() const noexcept { return owner_ != nullptr; }

 private:
  friend struct detail::HandlerAccess;
  struct Reaper;
  void warn_displaced() const noexcept;

  Handler* outer_ = nullptr;
  Handler* inner_ = nullptr;
  detail::Context* owner_ = nullptr;
  SiteTypes processes_ = 0, postprocesses_ = 0;
  static inline constinit thread_local bool reaper_armed_ = false;
};

/// Takes handlers off the stack of a thread that ends before they do.
struct Handler::Reaper {
  Reaper() noexcept { reaper_armed_ = true; }
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() {
    while (detail::context.innermost != nullptr) detail::context.innermost->leave();
  }
  WICK_COLD static void arm() { static thread_local const Reaper reaper; }
};

namespace detail {
/// The stack's own way into a handler.
struct HandlerAccess {
  static void process(Handler& h, Message& m) {
    if ((h.processes_ >> static_cast<unsigned>(m.type) & 1u) != 0) h.process(m);
  }
  static void postprocess(Handler& h, Message& m) {
    if ((h.postprocesses_ >> static_cast<unsigned>(m.type) & 1u) != 0) h.postprocess(m);
  }
  /// The frame of a plate that is on the stack and not switched off by `handlers::block_plate`; else null.
  static const Frame* frame(const Handler& h) noexcept { return types(h) != 0 ? h.frame() : nullptr; }
  /// Which types a handler is called for, the second ones shifted by 8; to be changed for a while.
  static unsigned types(const Handler& h) noexcept { return h.processes_ | static_cast<unsigned>(h.postprocesses_) << 8; }
  static void set_types(Handler& h, unsigned types) noexcept {
    h.processes_ = static_cast<SiteTypes>(types & 0xffu);
    h.postprocesses_ = static_cast<SiteTypes>(types >> 8);
  }
};
}  // namespace detail

inline void Handler::enter(SiteTypes processes, SiteTypes postprocesses) {
  if (WICK_UNLIKELY(owner_ != nullptr))
    detail::raise<UsageError>("wick.handler.E240", "", {"this handler is on the stack already"}, {"make a second handler object"});
  if (WICK_UNLIKELY(!reaper_armed_)) Reaper::arm();
  detail::Context& c = detail::context;
  owner_ = &c;
  processes_ = processes;
  postprocesses_ = postprocesses;
  outer_ = c.innermost;
  inner_ = nullptr;
  if (outer_ == nullptr) ++c.stacks;
  (outer_ != nullptr ? outer_->inner_ : c.outermost) = this;
  c.innermost = this;
}

WICK_COLD inline void Handler::warn_displaced() const noexcept {
  try {
    if (owner_ != &detail::context)
      detail::warn("wick.handler.W241", {"a handler was destroyed by another thread than the one that entered it. Try: keep handlers in local scopes"});
    else
      detail::warn("wick.handler.W241", {"a handler was destroyed before the handlers entered inside it. Try: keep handlers in local scopes, which end in order"});
  } catch (...) {  // a destructor must not throw; the warning is lost
  }
}

namespace detail {

/// Names used last, by where their characters lie: a string literal is found again without its hash.
inline constinit thread_local Name recent_names[128] = {};

WICK_INLINE bool same_text(const char* a, const char* b, std::size_t n) noexcept {
  if (n >= 8 && n <= 16) return ((load8(a) ^ load8(b)) | (load8(a + n - 8) ^ load8(b + n - 8))) == 0;
  if (n >= 4 && n < 8) return ((load4(a) ^ load4(b)) | (load4(a + n - 4) ^ load4(b + n - 4))) == 0;
  if (n > 0 && n < 4) return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
  return std::memcmp(a, b, n) == 0;
}

/// Name(text), faster for a name that this thread has just used.
inline Name intern(std::string_view text) {
  const auto address = reinterpret_cast<std::uintptr_t>(text.data());
  Name& recent = recent_names[(address ^ address >> 7) % 128];
  const std::string_view last = recent.view();
  if (WICK_UNLIKELY(!recent || last.size() != text.size() || !same_text(last.data(), text.data(), text.size()))) recent = Name(text);
  return recent;
}

/// The hash of the sequential plates' counters around the present point of the program, outermost first: part of a draw's key.
inline constinit thread_local std::uint64_t plate_turns = 0;

/// s = s · factor, without an operation where both are plain numbers.
inline void scale_by(Tensor& s, const Tensor& factor) {
  using A = TensorAccess;
  if (WICK_LIKELY(A::is_scalar(s) && A::is_scalar(factor) && A::run(s) == 0 && A::run(factor) == 0))
    s = Tensor(A::scalar(s) * A::scalar(factor));
  else
    s = s * factor;
}

[[noreturn]] WICK_COLD inline void raise_no_value(const Message& m) {
  raise<SiteError>("wick.handler.E255", m.name.view(), {m.is_observed ? "a handler marked the site as observed, but gave it no value" : "a handler left the site without a value"},
                   {"set `value` in `process`, with `is_observed` for an observation\n  or leave both alone"});
}

[[noreturn]] WICK_COLD inline void raise_enumerated(Name site, const char* who) {
  raise<UsageError>("wick.handler.E270", site.view(), {"the site is marked for enumeration, which ", who, " does not do"},
                    {"leave the mark out: the site is then drawn, with the score-function gradient\n  or list the values of a small program's sites by handlers::queue"});
}

/// How a message that is no sample site gets its value when no handler has given it one.
using Default = void (*)(Message&);

/// The value of a message that no handler has given one. Apart from `send`, which then needs few registers and no aligned stack.
WICK_NOINLINE inline void give_value(Message& m, Default otherwise) {
  if (m.type == SiteType::sample)
    m.value = m.fn->sample_with(next_key(m.name.hash(), plate_turns));
  else
    otherwise(m);
}

/// `process` of `h` and the handlers outside it, until one stops the message; returns the last one.
inline Handler* pass_out(Message& m, Handler* h) {
  Handler* last = nullptr;
  for (; h != nullptr; h = h->outer()) {
    HandlerAccess::process(*h, m);
    last = h;
    if (m.stop) break;
  }
  return last;
}
/// The default behaviour, then `postprocess` of `last` and the handlers inside it. What a message is about is looked at
/// each time: a handler may have made a sample site of a parameter. Throws wick.handler.E255.
inline void pass_in(Message& m, Default otherwise, Handler* last) {
  if (!m.done) {
    if (!m.is_observed && m.value.empty()) give_value(m, otherwise);
    m.done = true;
  }
  if (WICK_UNLIKELY(m.value.empty() && (m.type == SiteType::sample || m.type == SiteType::param))) raise_no_value(m);
  for (Handler* h = last; h != nullptr; h = h->inner()) HandlerAccess::postprocess(*h, m);
}
/// Runs `m` through the stack.
WICK_NOINLINE inline void send(Message& m, Default otherwise) {
  if (WICK_UNLIKELY(context.step != nullptr)) raise_in_step("a site");
  pass_in(m, otherwise, pass_out(m, context.innermost));
}

/// How many elements are in a plate with these indices.
inline Index plate_count(const Tensor& indices, Index full_size) noexcept { return indices.empty() ? full_size : indices.numel(); }

/// "plate("data", size=150, dim=-1)", or with its turn for a sequential plate.
WICK_COLD inline Text frame_text(const Frame& f) {
  return join({"plate(\"", f.name.view(), "\", size=", f.size, f.vectorized() ? ", dim=" : ", turn ", f.vectorized() ? f.dim : f.counter, ")"});
}
/// The plates on the stack, outermost first.
WICK_COLD inline Text scopes_text() {
  Text out;
  for (const Handler* h = context.outermost; h != nullptr; h = h->inner())
    if (const Frame* f = h->frame()) out.add(out.empty() ? "" : ", ").add(frame_text(*f));
  return out;
}

/// Adds site and plates to an error on its way out.
[[noreturn]] WICK_COLD inline void rethrow_located(Error& e, Name name) {
  e.locate(name.view(), scopes_text());
  throw;
}

/// Keeps the id of the site under way for records.
class SiteMark {
 public:
  explicit SiteMark(Name n) noexcept : before_(context.site) { context.site = n.id(); }
  SiteMark(const SiteMark&) = delete;
  SiteMark& operator=(const SiteMark&) = delete;
  ~SiteMark() { context.site = before_; }

 private:
  std::uint32_t before_;
};

}  // namespace detail
}  // namespace wick::inline WICK_ABI
