//! What `workload` calls a figure, and which row that is.
//!
//! What a newcomer would get wrong: a sample of a row is the median of the batches of one start, so that a subject's
//! samples are as many as the rounds, and the ratio of two subjects compares the same round.

use crate::result::{Metric, Row, Unit};

/// A figure of `workload` and its row.
#[derive(Debug)]
pub struct Case {
    /// As `workload` says it.
    pub said: &'static str,
    metric: Metric,
    case: &'static str,
    unit: Unit,
    interval: &'static str,
    /// Whether every value is a sample, and not their median.
    pub every: bool,
}

const fn case(
    said: &'static str,
    metric: Metric,
    case: &'static str,
    unit: Unit,
    interval: &'static str,
) -> Case {
    Case { said, metric, case, unit, interval, every: false }
}

use Metric::{M6, M7, M8, M10};
use Unit::{MebibytesPerSecond, Milliseconds, Nanoseconds};

const PER_CALL: &str = "of the worker's clock, per operation: thousands between two readings, median of a start's batches";

const ROUND_TRIP: &str =
    "of the worker's clock, per round trip between two processes, median of a start's batches";

/// All, in the report's order.
pub const CASES: &[Case] = &[
    case(
        "integer",
        M6,
        "integer",
        Nanoseconds,
        "of the worker's clock, per thousand dependent steps of xorshift64*, median of a start's batches",
    ),
    case(
        "sha256",
        M6,
        "SHA-256",
        Nanoseconds,
        "of the worker's clock, per 64 KiB, median of a start's batches",
    ),
    Case {
        every: true,
        ..case(
            "unit",
            M6,
            "1 ms units",
            Milliseconds,
            "of the worker's clock, each unit of work that takes a bare process one millisecond",
        )
    },
    case("getppid", M7, "getppid", Nanoseconds, PER_CALL),
    case("personality", M7, "personality", Nanoseconds, PER_CALL),
    case("stat", M7, "stat", Nanoseconds, PER_CALL),
    case("pread", M7, "pread 4 KiB", Nanoseconds, PER_CALL),
    case("openat+close", M7, "openat+close", Nanoseconds, PER_CALL),
    case("mmap+touch+munmap", M7, "mmap+touch+munmap", Nanoseconds, PER_CALL),
    case("clone+exit+wait", M7, "clone+exit+wait", Nanoseconds, PER_CALL),
    case("pipe@one", M8, "pipe, one CPU", Nanoseconds, ROUND_TRIP),
    case("pipe@two", M8, "pipe, two CPUs", Nanoseconds, ROUND_TRIP),
    case("eventfd@one", M8, "eventfd, one CPU", Nanoseconds, ROUND_TRIP),
    case("eventfd@two", M8, "eventfd, two CPUs", Nanoseconds, ROUND_TRIP),
    case("unix-socket@one", M8, "unix socket, one CPU", Nanoseconds, ROUND_TRIP),
    case("unix-socket@two", M8, "unix socket, two CPUs", Nanoseconds, ROUND_TRIP),
    case(
        "triad",
        M10,
        "triad",
        MebibytesPerSecond,
        "of the worker's clock, a pass of a = b + 3c: 24 bytes an element, median of a start's passes",
    ),
    case(
        "touch",
        M10,
        "first touch, small pages",
        Nanoseconds,
        "of the worker's clock, per page of 4 KiB that was never touched, huge pages refused",
    ),
    case(
        "touch-thp",
        M10,
        "first touch, huge pages",
        Nanoseconds,
        "of the worker's clock, per 4 KiB of memory that was never touched, huge pages asked for",
    ),
];

impl Case {
    /// The row of this case and a subject, without anything found yet.
    #[must_use]
    pub fn row(&self, subject: &str) -> Row {
        Row::new(self.metric, self.case, subject, self.unit, self.interval)
    }

    /// A value as `workload` says it, in the row's unit.
    #[must_use]
    pub fn in_unit(&self, value: f64) -> f64 {
        if self.unit == Milliseconds { value / 1e6 } else { value }
    }
}
