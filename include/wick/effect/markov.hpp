/// \file
/// Loops in which each turn depends on a few before it.
#pragma once

#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI {

/// How many turns back a site may reach.
struct MarkovOptions {
  Count history = 1;
};

/// A loop over 0, …, n − 1 whose turn t uses values of the turns t − history, …, t − 1 only: `for (auto t : markov(n)) …`.
///
/// Turns are dependent: there is no plate, and names in the body must differ from turn to turn. What the history says is for losses that sum over
/// discrete sites, which find `turn` and `history` on the stack; without them the loop is an ordinary one.
/// Throws: wick.plate.E215 for a negative size or a history below 1, E216 when the loop is entered inside itself.
class markov final : public Handler {
 public:
  [[nodiscard]] explicit markov(Count n, const MarkovOptions& options = {}) : size_(n.value), history_(options.history.value) {
    if (WICK_UNLIKELY(size_ < 0 || history_ < 1))
      detail::raise<DomainError>("wick.plate.E215", "", {"markov: ", size_ < 0 ? "the number of turns is " : "history is ", size_ < 0 ? size_ : history_, "; it must be at least ", size_ < 0 ? 0 : 1},
                                 {"give the number of turns, and how many turns back a site may reach"});
  }
  ~markov() override = default;
  Index history() const noexcept { return history_; }
  /// Of the loop under way, from 0.
  Index turn() const noexcept { return turn_; }

  struct End {};
  /// The turns; the handler is on the stack while this lives.
  class Turn {
   public:
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { owner_->leave(); }
    Index operator*() const noexcept { return owner_->turn_; }
    Turn& operator++() noexcept {
      ++owner_->turn_;
      return *this;
    }
    bool operator!=(End) const noexcept { return owner_->turn_ < owner_->size_; }

   private:
    friend class markov;
    explicit Turn(markov* owner) noexcept : owner_(owner) {}
    markov* owner_;
  };
  Turn begin() {
    if (WICK_UNLIKELY(entered())) detail::raise<UsageError>("wick.plate.E216", "", {"a markov loop is entered inside itself"}, {"make a second markov object for the inner loop"});
    enter(no_types, no_types);
    turn_ = 0;
    return Turn(this);
  }
  End end() const noexcept { return {}; }

 private:
  Index size_, history_, turn_ = 0;
};

}  // namespace wick::inline WICK_ABI
