/// \file
/// All handlers.
#pragma once

#include <wick/effect/handlers/block.hpp>
#include <wick/effect/handlers/condition.hpp>
#include <wick/effect/handlers/lift.hpp>
#include <wick/effect/handlers/mask.hpp>
#include <wick/effect/handlers/replay.hpp>
#include <wick/effect/handlers/scale.hpp>
#include <wick/effect/handlers/seed.hpp>
#include <wick/effect/handlers/substitute.hpp>
#include <wick/effect/handlers/trace.hpp>
