/// \file
/// Checkpoints: a fit goes on in another process as if it had not been interrupted.
#pragma once

#include <wick/infer/svi.hpp>
#include <wick/io/checkpoint_file.hpp>
#include <wick/optim/optim_archive.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline constexpr std::string_view checkpoint_loss_advice = "run svi.evaluate_loss(…) once, so that the program declares its parameters; then load";

/// A parameter as a checkpoint has it.
struct SavedParam {
  Name name;
  std::string_view kind;  ///< of the constraint
  Tensor lower, upper;    ///< its bounds, if it has any
  Tensor unconstrained;
};

inline void write_tensor(ByteWriter& out, const Tensor& t) {
  out.count(t.empty() ? 0 : 1);
  if (t.empty()) return;
  out.count(t.shape().size());
  for (unsigned d = 0; d < t.shape().size(); ++d) out.count(static_cast<std::uint64_t>(t.shape()[d]));
  const Tensor whole = expand(TensorAccess::detached(t), t.shape());
  out.numbers(whole.data(), static_cast<std::size_t>(whole.numel()));
}
/// Storage of its own; the empty tensor if there is none. `in.failed()` for something that is no tensor.
inline Tensor read_tensor(ByteReader& in, bool& sound) {
  if (in.count() == 0) return {};
  Shape shape;
  const std::size_t rank = in.length(8);
  std::size_t numel = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::uint64_t size = in.count();
    sound = sound && rank <= 64 && size <= in.left() && (size == 0 || numel <= in.left() / size);
    if (!sound) return {};
    numel *= static_cast<std::size_t>(size);
    shape.push_back(static_cast<Index>(size));
  }
  const std::size_t n = in.numbers();
  sound = sound && !in.failed() && n == numel;
  if (!sound) return {};
  if (rank == 0) return in.number();
  Tensor t = TensorAccess::make(shape);
  in.numbers(TensorAccess::fresh_data(t), n);
  return t;
}

inline void write_params(ByteWriter& out, const ParamStore& store) {
  out.count(store.size());
  for (const Param& p : store) {
    out.text(p.name().view());
    out.text(p.constraint().name());
    for (const Tensor* t : {&p.constraint().lower(), &p.constraint().upper(), &p.unconstrained()}) write_tensor(out, *t);
  }
}

/// What a checkpoint says, before anything is changed.
class Checkpoint {
 public:
  WICK_COLD explicit Checkpoint(const std::string& path) : path_(path), file_(path), in_(file_.content()) {
    position_ = {in_.count(), in_.count(), in_.count()};
    const std::size_t n = in_.length(24);
    for (std::size_t i = 0; i < n && sound_; ++i) {
      SavedParam p{Name(in_.text()), in_.text(), {}, {}, {}};
      for (Tensor* t : {&p.lower, &p.upper, &p.unconstrained}) *t = read_tensor(in_, sound_);
      sound_ = sound_ && !p.unconstrained.empty();
      params_.push_back(std::move(p));
    }
    base_ = {in_.count(), in_.count()};
    const std::size_t draws = in_.length(16);
    for (std::size_t i = 0; i < draws; ++i) draws_.push_back({in_.count(), in_.count()});
    if (!sound_ || in_.failed()) raise_content();
  }
  ByteReader& in() noexcept { return in_; }
  const SviState::Position& position() const noexcept { return position_; }

  /// Compares with the parameters that are there already. Throws wick.checkpoint.E635.
  WICK_COLD void compare(const ParamStore& store) const {
    if (store.size() == 0) return;
    for (const SavedParam& p : params_) {
      const Param* there = store.find(p.name);
      if (there == nullptr) differs({"it has a parameter \"", p.name.view(), "\", this program does not"});
      const Text here = there->constraint().text();
      if (!(there->shape() == p.unconstrained.shape())) differs({"its parameter \"", p.name.view(), "\" has unconstrained shape ", p.unconstrained.shape(), ", this program's ", there->shape()});
      if (p.kind != there->constraint().name()) differs({"its parameter \"", p.name.view(), "\" is ", p.kind, ", this program's ", here});
      if (!(there->constraint() == there->constraint().with_bounds(p.lower, p.upper))) differs({"its parameter \"", p.name.view(), "\" is ", p.kind, " with other bounds than this program's ", here});
    }
    for (const Param& p : store) {
      bool found = params_.size() == store.size();
      for (const SavedParam& s : params_) found = found || s.name == p.name();
      if (!found) differs({"it has no parameter \"", p.name().view(), "\", this program does"});
    }
  }
  /// Adds those that the store does not have. Throws wick.checkpoint.E637.
  WICK_COLD void add_missing(ParamStore& store) const {
    for (const SavedParam& p : params_)
      if (store.find(p.name) == nullptr) store.add_unconstrained(p.name, constraint_of(p), p.unconstrained);
  }
  List<OptimReader::Stored> stored(const ParamStore& store) const {
    List<OptimReader::Stored> out;
    for (const SavedParam& p : params_) {
      const Param* there = store.find(p.name);
      out.push_back({there->serial(), p.name.view(), there->numel()});
    }
    return out;
  }
  /// Gives values and random state; with room for `draws()` pairs in the scope, does not throw.
  void give(ParamStore& store, RandomScope& random) noexcept {
    for (SavedParam& p : params_) store.find(p.name)->set_unconstrained(std::move(p.unconstrained));
    random.occurrences.clear();
    random.base = base_;
    for (const Drawn& d : draws_) random.occurrences.restore(d.pair, d.count);
  }
  std::size_t draws() const noexcept { return draws_.size(); }
  /// What the reader has found. `beside`: not in the optimiser, but in what was saved beside it.
  [[noreturn]] WICK_COLD void raise_optimizer(const Text& what, bool beside) const {
    if (what.empty()) raise_content();
    raise_checkpoint("wick.checkpoint.E636", path_, {"was saved with ", beside ? "other things beside the optimiser: " : "another optimiser: ", what}, {"make the optimiser, and what is saved beside it, with the types and options that it had"});
  }
  [[noreturn]] WICK_COLD void raise_content() const {
    raise_checkpoint("wick.checkpoint.E634", path_, {"has a checksum that fits, but a content that does not"}, {"save it again with save_checkpoint"});
  }

 private:
  struct Drawn {
    std::uint64_t pair, count;
  };
  [[noreturn]] WICK_COLD void differs(Parts what) const {
    Text text("was saved by another model: ");
    raise_checkpoint("wick.checkpoint.E635", path_, {text.add(what)}, {"load it into the program that saved it\n  or call clear_param_store() first if these parameters are to go"});
  }
  Constraint constraint_of(const SavedParam& p) const {
    for (const Constraint* c : {&constraints::real, &constraints::positive, &constraints::nonnegative, &constraints::unit_interval})
      if (p.kind == c->name()) return *c;
    for (const ConstraintOps* ops : {&interval_ops, &greater_than_ops})
      if (p.kind == ops->name) return Constraint(*ops, p.lower, p.upper);
    raise_checkpoint("wick.checkpoint.E637", path_, {"parameter \"", p.name.view(), "\" has the constraint ", p.kind, ", which cannot be made from its name"}, {checkpoint_loss_advice});
  }

  std::string path_;
  CheckpointFile file_;
  ByteReader in_;
  bool sound_ = true;
  SviState::Position position_{};
  List<SavedParam> params_;
  KeyBase base_{};
  List<Drawn> draws_;
};

/// Reads copies of the parts, and commits when all are read.
template <class Commit>
void read_parts(OptimReader&, Commit commit) {
  commit();
}
template <class Commit, class Part, class... Rest>
void read_parts(OptimReader& a, Commit commit, Part& part, Rest&... rest) {
  static_assert(can_be_archived<Part>, "a checkpoint: the optimiser, or what is saved beside it, has no template <class A> void archive(A& a)");
  Part fresh = part;
  a.next_part();
  fresh.archive(a);
  read_parts(a, [&] { commit(); part = std::move(fresh); }, rest...);
}

WICK_COLD inline void check_between_steps(const std::string& path, const char* what) {
  if (param_store().in_step()) raise<UsageError>("wick.checkpoint.E638", "", {"the checkpoint \"", std::string_view(path), "\" is ", what, " in the middle of a step"}, {"do it between two steps, as in the callback of svi.run"});
}
/// Everything but the optimiser and the parts beside it.
WICK_COLD inline KeyTable write_checkpoint(ByteWriter& out, const SviState::Position& at) {
  for (const std::uint64_t n : {at.seed, at.step, at.evaluation}) out.count(n);
  const ParamStore& store = param_store();
  write_params(out, store);
  const RandomScope& random = random_scope();
  out.count(random.base.b0), out.count(random.base.b1);
  std::uint64_t draws = 0;
  random.occurrences.each([&](std::uint64_t, std::uint64_t) { ++draws; });
  out.count(draws);
  random.occurrences.each([&](std::uint64_t pair, std::uint64_t n) { out.count(pair), out.count(n); });
  KeyTable places;
  std::size_t i = 0;
  for (const Param& p : store) places.put(p.serial(), i++);
  return places;
}

}  // namespace detail

/// Saves a fit: the parameters of the store in force, the optimiser's state, the numbers that `svi`'s draws come from, the random scope in force,
/// and what stands beside it: a `TailAverage`, a `LossPlateau`.
///
/// The file is whole at every moment: the new one is written beside the old one, to `path` + ".new", and renamed when it is on the disk. Parameters of
/// other stores are not saved. Format: docs/optimisation.md.
/// Throws: wick.checkpoint.E630 when the file cannot be written, and then the old one is as it was; E638 in the middle of a step; E639.
template <class Model, class Guide, class Optim, class Elbo, class... Parts>
void save_checkpoint(const std::string& path, SVI<Model, Guide, Optim, Elbo>& svi, Parts&... parts) {
  static_assert((detail::can_be_archived<Optim> && ... && detail::can_be_archived<Parts>), "save_checkpoint: the optimiser, or what is saved beside it, has no template <class A> void archive(A& a)");
  detail::check_between_steps(path, "saved");
  detail::ByteWriter out;
  const detail::KeyTable places = detail::write_checkpoint(out, svi.state().position());
  OptimWriter a(out, places);
  svi.optim().archive(a);
  std::uint64_t beside = sizeof...(Parts);
  a.count(beside);
  (parts.archive(a), ...);
  detail::SystemFiles files;
  detail::write_checkpoint_file(files, path, out);
}

/// Goes on where `save_checkpoint` was called: the steps that follow are those that would have followed, bit for bit. The arguments are of the same types,
/// made with the same options, in the same order.
///
/// If the store in force has parameters already, they must be the checkpoint's, by name, shape and constraint: call `svi.evaluate_loss(…)` first, and the
/// program's parameters are compared with the file's. An empty store gets them from the file.
/// Throws, and then nothing has changed: wick.checkpoint.E631 (no such file), E632 (cut short, or no checkpoint), E633 (another version), E634 (damaged), E635
/// (another model), E636 (another optimiser, or other options), E637 (a constraint that must be declared first), E638 (in the middle of a step).
template <class Model, class Guide, class Optim, class Elbo, class... Parts>
void load_checkpoint(const std::string& path, SVI<Model, Guide, Optim, Elbo>& svi, Parts&... parts) {
  detail::check_between_steps(path, "loaded");
  detail::Checkpoint saved(path);
  ParamStore& store = param_store();
  saved.compare(store);
  const std::size_t before = store.size();
  try {
    saved.add_missing(store);
    const auto params = saved.stored(store);
    OptimReader a(saved.in(), std::span<const OptimReader::Stored>(params.data(), params.size()));
    Optim optim = svi.optim();
    static_assert(detail::can_be_archived<Optim>, "load_checkpoint: the optimiser has no template <class A> void archive(A& a)");
    optim.archive(a);
    std::uint64_t beside = 0;
    a.count(beside);
    const bool same_optim = !a.failed();
    if (same_optim && beside != sizeof...(Parts)) a.differs({static_cast<Index>(beside), " were saved, ", static_cast<Index>(sizeof...(Parts)), " are to be loaded"});
    const auto commit = [&] {
      if (a.failed() || saved.in().left() != 0) saved.raise_optimizer(a.problem(), same_optim);
      detail::RandomScope& random = detail::random_scope();
      random.occurrences.reserve(saved.draws());
      svi.state().go_to(saved.position(), store);
      saved.give(store, random);
      svi.optim() = std::move(optim);
    };
    detail::read_parts(a, commit, parts...);
  } catch (...) {
    store.truncate(before);
    throw;
  }
}

}  // namespace wick::inline WICK_ABI
