/// \file
/// All handlers.
#pragma once

#include <wick/effect/handlers/block.hpp>
#include <wick/effect/handlers/block_plate.hpp>
#include <wick/effect/handlers/broadcast.hpp>
#include <wick/effect/handlers/condition.hpp>
#include <wick/effect/handlers/do.hpp>
#include <wick/effect/handlers/escape.hpp>
#include <wick/effect/handlers/infer_config.hpp>
#include <wick/effect/handlers/lift.hpp>
#include <wick/effect/handlers/mask.hpp>
#include <wick/effect/handlers/replay.hpp>
#include <wick/effect/handlers/scale.hpp>
#include <wick/effect/handlers/scope.hpp>
#include <wick/effect/handlers/seed.hpp>
#include <wick/effect/handlers/substitute.hpp>
#include <wick/effect/handlers/trace.hpp>
#include <wick/effect/handlers/uncondition.hpp>
