//! The simulator: whole meshes in virtual time, from one seed.
