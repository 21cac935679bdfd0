//! What the role decides, by table, by attack, and against a rail that fails in every way.

mod attacks;
mod simulation;
mod table;
