//! Shares and weights of v1 become weights of cgroup2.
//!
//! What a newcomer would get wrong: the mapping of shares is not the straight line it was until 2025. That gave the
//! default of 1024 shares the weight 39 where cgroup2's own default is 100, so every ordinary container ran at a
//! disadvantage; now the default meets the default (runc 1.3.2, crun 1.23).

/// `cpu.weight` for `shares`: the curve through 2 → 1, 1024 → 100 and 262144 → 10000, a parabola in the logarithms.
#[must_use]
pub fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
            // A whole weight may come out a hair above itself (100.00000000000001), and would round up to the next.
            (10f64.powf(exponent) - 1e-9).ceil() as u64
        }
    }
}

/// `io.weight` (1 to 10000) for a `blockIO.weight` (10 to 1000), on a straight line.
#[must_use]
pub fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_published_curve() {
        let vector = [
            (0, 1),
            (2, 1),
            (3, 2),
            (10, 4),
            (100, 17),
            (256, 35),
            (512, 59),
            (1000, 99),
            (1024, 100),
            (2048, 174),
            (4096, 303),
            (10_240, 639),
            (65_536, 3023),
            (262_143, 10_000),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ];
        for (shares, weight) in vector {
            assert_eq!(weight_of_shares(shares), weight, "{shares} shares");
        }
    }

    #[test]
    fn more_shares_never_weigh_less() {
        let mut last = 0;
        for shares in 0..=262_145 {
            let weight = weight_of_shares(shares);
            assert!(weight >= last && (1..=10_000).contains(&weight), "{shares}");
            last = weight;
        }
    }

    #[test]
    fn block_weights_span_the_whole_range() {
        for (weight, expected) in [(10, 1), (100, 910), (500, 4950), (1000, 10_000)] {
            assert_eq!(io_weight(weight), expected);
        }
    }
}
