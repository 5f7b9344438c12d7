//! What a compute node does next: inputs to effects.
