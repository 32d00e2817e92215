//! Tests of exec: being written.
