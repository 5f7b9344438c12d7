//! The ledger's contracts: a pure function of state and block.
