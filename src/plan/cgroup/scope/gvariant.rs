//! The values of annotations: GVariant's text form, as far as the properties on the list need it.
//!
//! It knows the type that a value must have, so a plain `5` is a number of that type and need not be written
//! `uint64 5`; who writes the type must write the right one.
//! What a newcomer would get wrong: a text has quotes. `mixed` is nothing, `'mixed'` is a text.

use super::Value;
use crate::error::{Error, Kind, Result};

/// Reads `text` as a value of the D-Bus type `signature`; `seconds` become microseconds.
pub fn parse(text: &str, signature: &'static str, seconds: bool) -> Result<Value> {
    let wrong = || {
        Error::new(Kind::Spec, format!("{text:?} is not a value of type {}", word(signature)))
            .hint(format!("write it as GVariant does, such as {}", example(signature)))
    };
    let mut reader = Reader(text.trim());
    let value = reader.typed(signature).then(|| reader.value(signature, seconds)).flatten();
    value.filter(|_| reader.0.trim().is_empty()).ok_or_else(wrong)
}

/// As a value may say its type itself.
fn word(signature: &str) -> &'static str {
    match signature {
        "b" => "boolean",
        "i" => "int32",
        "u" => "uint32",
        "t" => "uint64",
        "s" => "string",
        _ => "array of strings",
    }
}

fn example(signature: &str) -> &'static str {
    match signature {
        "b" => "true",
        "i" | "u" | "t" => "5",
        "s" => "'a text'",
        _ => "['a text']",
    }
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// Skips `@t` or `uint64` before a value; false when it names another type.
    fn typed(&mut self, signature: &str) -> bool {
        let annotated = self.0.strip_prefix('@').and_then(|rest| rest.split_once(' '));
        if let Some((given, rest)) = annotated {
            self.0 = rest.trim_start();
            return given == signature;
        }
        if let Some((given, rest)) = self.0.split_once(' ')
            && given.len() > 3
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && given.starts_with(|c: char| c.is_ascii_lowercase())
        {
            self.0 = rest.trim_start();
            return signature.len() == 1 && given == word(signature);
        }
        true
    }

    fn value(&mut self, signature: &str, seconds: bool) -> Option<Value> {
        match signature {
            "b" => self.take().parse().ok().map(Value::Bool),
            "i" => self.integer().and_then(|number| number.try_into().ok()).map(Value::I32),
            "u" => self.integer().and_then(|number| number.try_into().ok()).map(Value::U32),
            "t" if seconds => self.microseconds().map(Value::U64),
            "t" => self.integer().and_then(|number| number.try_into().ok()).map(Value::U64),
            "s" => self.string().map(Value::Text),
            _ => self.strings().map(Value::Texts),
        }
    }

    /// All that is left.
    fn take(&mut self) -> &str {
        std::mem::take(&mut self.0)
    }

    /// Decimal, `0x` or octal, as in C.
    fn integer(&mut self) -> Option<i128> {
        let text = self.take();
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None if digits.len() > 1 && digits.starts_with('0') => {
                u64::from_str_radix(digits, 8).ok()?
            }
            None => digits.parse().ok()?,
        };
        Some(i128::from(number) * sign)
    }

    /// Seconds, with up to six places.
    fn microseconds(&mut self) -> Option<u64> {
        let text = self.take();
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return None;
        }
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part)
    }

    /// A text in either quotes.
    fn string(&mut self) -> Option<String> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        let mut rest = self.0[1..].chars();
        loop {
            match rest.next()? {
                '\\' => text.push(match rest.next()? {
                    'n' => '\n',
                    't' => '\t',
                    plain @ ('\\' | '\'' | '"') => plain,
                    _ => return None,
                }),
                // D-Bus texts end with one.
                '\0' => return None,
                c if c == quote => break,
                c => text.push(c),
            }
        }
        self.0 = rest.as_str();
        Some(text)
    }

    /// `['a', 'b']`
    fn strings(&mut self) -> Option<Vec<String>> {
        let mut all = Vec::new();
        self.0 = self.0.strip_prefix('[')?.trim_start();
        if let Some(rest) = self.0.strip_prefix(']') {
            self.0 = rest;
            return Some(all);
        }
        loop {
            all.push(self.string()?);
            let rest = self.0.trim_start();
            match rest.strip_prefix(',') {
                Some(next) => self.0 = next.trim_start(),
                None => {
                    self.0 = rest.strip_prefix(']')?;
                    return Some(all);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_and_without_their_type() {
        for (text, signature, value) in [
            ("true", "b", Value::Bool(true)),
            ("boolean false", "b", Value::Bool(false)),
            ("-5", "i", Value::I32(-5)),
            ("int32 017", "i", Value::I32(15)),
            ("@u 7", "u", Value::U32(7)),
            (" uint64 18446744073709551615 ", "t", Value::U64(u64::MAX)),
            (r#""it's""#, "s", Value::Text("it's".into())),
            (r"'a\'b\\'", "s", Value::Text(r"a'b\".into())),
            ("@as []", "as", Value::Texts(vec![])),
            ("['a' ,\"b\"]", "as", Value::Texts(vec!["a".into(), "b".into()])),
        ] {
            assert_eq!(parse(text, signature, false).unwrap(), value, "{text}");
        }
        assert_eq!(parse("0.25", "t", true).unwrap(), Value::U64(250_000));
    }

    #[test]
    fn what_is_not_of_the_type_is_refused_with_an_example() {
        for (text, signature) in [
            ("", "b"),
            ("yes", "b"),
            ("1", "b"),
            ("2147483648", "i"),
            ("-1", "t"),
            ("+1", "t"),
            ("1 2", "t"),
            ("@u 1", "t"),
            ("int32 1", "t"),
            ("18446744073709551616", "t"),
            ("mixed", "s"),
            ("'mixed", "s"),
            ("'a' 'b'", "s"),
            ("'a\\x'", "s"),
            ("'a'", "as"),
            ("['a',]", "as"),
            ("['a'", "as"),
            ("[1]", "as"),
        ] {
            let error = parse(text, signature, false).expect_err(text);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("GVariant")), "{text}");
        }
        for seconds in ["1.0000001", "1.", ".5", "-1", "18446744073709551615"] {
            assert!(parse(seconds, "t", true).is_err(), "{seconds}");
        }
    }
}
