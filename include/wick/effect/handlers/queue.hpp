/// \file
/// handlers::queue
#pragma once

#include <wick/effect/handlers/escape.hpp>
#include <wick/effect/handlers/replay.hpp>
#include <wick/effect/handlers/trace.hpp>
#include <wick/effect/plate.hpp>

namespace wick::inline WICK_ABI {

struct QueueOptions {
  Count max_tries = 100000;
};

namespace detail {

/// At a discrete site without a value: leaves one trace for each of its values, and the program.
class Branch final : public Handler {
 public:
  Branch(const Trace& sofar, List<Trace>& todo) : sofar_(&sofar), todo_(&todo) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    if (m.is_observed || !m.value.empty() || !m.fn->is_discrete()) return;
    const Constraint set = m.fn->support();
    const bool boolean = std::string_view(set.name()) == "boolean";
    const bool listed = boolean || (!set.lower().empty() && !set.upper().empty() && set.lower().numel() == 1 && set.upper().numel() == 1);
    if (WICK_UNLIKELY(!listed || m.fn->shape().numel() != 1)) raise(m.name, listed ? "has more than one element" : "has infinitely many values");
    const double first = boolean ? 0 : set.lower().item(), last = boolean ? 1 : set.upper().item();
    Message given = m;
    given.done = true;
    for (double v = last; v >= first; --v) {  // what is put last is taken first
      given.value = expand(Tensor(v), m.fn->shape());
      todo_->push_back(*sofar_);
      todo_->back().add(given);
    }
    throw NonlocalExit(m.name);
  }

 private:
  [[noreturn]] WICK_COLD static void raise(Name site, const char* why) {
    detail::raise<UsageError>("wick.handler.E272", site.view(), {"queue: the site ", why}, {"sample its elements one by one, as in a loop over the plate\n  or give the site a value by handlers::condition or substitute"});
  }
  const Trace* sofar_;
  List<Trace>* todo_;
};

/// Whether plates around the queue make several elements of a site that had one when its values were listed.
WICK_COLD inline bool is_repeated(const Site& s) {
  for (const Frame& f : s.frames)
    if (f.vectorized() && f.size != 1 && s.fn()->is_discrete() && !has_plate(*s.fn(), f)) return true;
  return false;
}
/// What a run was given it must have had: else handlers around the queue are in the way, and its runs would be repeated, or weighed wrongly.
WICK_COLD inline void check_path(const Trace& given, const Trace& now) {
  for (const Site& s : given) {
    if (s.type != SiteType::sample || s.is_observed || s.value.empty()) continue;
    const Site* n = now.find(s.name);
    const char* what = n == nullptr ? "rename or hide" : n->is_observed ? "observe" : !same_values(n->value, s.value) ? "give a value to" : is_repeated(*n) ? "are plates of" : nullptr;
    if (what != nullptr)
      raise<UsageError>("wick.handler.E274", s.name.view(), {"queue: handlers around it ", what, " the site, which queue gives its values"},
                        {"wrap the program and not the queue: handlers::queue(handlers::condition(model, values))\n  or loop over the plate inside the program"});
  }
}
/// Runs the program until it ends with the next combination of values. False when there is none left.
WICK_NOINLINE inline bool next_path(const Callable& program, List<Trace>& todo, Trace& out, Index& tries) {
  while (!todo.empty()) {
    if (--tries < 0)
      raise<UsageError>("wick.handler.E273", "", {"queue: more runs than max_tries"}, {"give a larger one: {.max_tries = n}\n  or observe some of the discrete sites"});
    const Trace given = std::move(todo.back());
    todo.truncate(todo.size() - 1);
    try {
      const handlers::trace<> record(out);
      const Branch branch(out, todo);
      const handlers::replay<> replayed(given);
      program();
      check_path(given, out);
      return true;
    } catch (const NonlocalExit&) {  // its branches are in the queue now
      check_path(given, out);
    } catch (Error& e) {
      add_shape_table(e, out);
      throw;
    }
  }
  return false;
}

}  // namespace detail

namespace handlers {

/// Runs a program once for every combination of values of its discrete latent sites, whatever its control flow: each run gives a trace, and with
/// Σ exp(log_prob_sum) over them come exact probabilities. Continuous sites before a branching are drawn once for all of it.
///
/// The first value of the first site comes first. Reads: type, is_observed, value, fn. Writes: value, done.
/// Throws: wick.handler.E272 for a site of several elements or infinitely many values, E273 after `max_tries` runs,
/// E274 for handlers around the queue that rename its sites, give them values or are their plates: they belong inside it.
/// Example:
///     for (const Trace& t : handlers::queue(coins).get_traces()) std::printf("%.3f\n", std::exp(t.log_prob_sum().item()));
template <class F>
class queue {
 public:
  explicit queue(F f, const QueueOptions& o = {}) : f_(std::move(f)), options_(o) {}
  template <class... T>
  std::vector<Trace> get_traces(const T&... x) {
    auto program = [&] { static_cast<void>(f_(x...)); };
    detail::List<Trace> todo;
    todo.push_back(Trace());
    Index tries = options_.max_tries.value;
    std::vector<Trace> out;
    for (Trace t; detail::next_path(detail::Callable(program), todo, t, tries);) out.push_back(t);
    return out;
  }

 private:
  F f_;
  QueueOptions options_;
};

}  // namespace handlers
}  // namespace wick::inline WICK_ABI
