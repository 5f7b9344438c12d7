//! Block validity, selection and rollback.
