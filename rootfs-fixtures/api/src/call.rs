//! What can be asked for: a request's method, path and body as one of the bank's calls.
//!
//! It refuses what it does not know in a sentence. What a newcomer would get wrong: a proxy may hand on a query behind
//! the path; it says nothing here.

use serde_json::Value;

/// One thing that the bank does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// Whether the process is there.
    Health,
    /// The first hundred accounts.
    Accounts,
    /// One account.
    Account(i64),
    /// A new account.
    Open { owner: String, balance: i64, currency: String },
    /// Money from one account to another.
    Transfer { from: i64, to: i64, amount: i64 },
}

impl Call {
    /// Of a request.
    pub(crate) fn parse(method: &str, url: &str, body: &[u8]) -> Result<Self, String> {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match (method, segments.as_slice()) {
            ("GET", ["health"]) => Ok(Self::Health),
            ("GET", [] | ["accounts"]) => Ok(Self::Accounts),
            ("GET", ["accounts", id]) => {
                id.parse().map(Self::Account).map_err(|_| format!("{id:?} is no account's number"))
            }
            ("POST", ["accounts"]) => open(&json(body)?),
            ("POST", ["transfers"]) => transfer(&json(body)?),
            _ => Err(format!("{method} {path} is nothing that this bank does")),
        }
    }

    /// Whether its answer is something new.
    pub(crate) fn makes(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Transfer { .. })
    }
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|why| format!("the body is no JSON: {why}"))
}

fn open(body: &Value) -> Result<Call, String> {
    let balance = match body.get("balance") {
        None => 0,
        Some(_) => number(body, "balance")?,
    };
    if balance < 0 {
        return Err("an account is opened with money, not with debts".to_owned());
    }
    Ok(Call::Open { owner: word(body, "owner")?, balance, currency: word(body, "currency")? })
}

fn transfer(body: &Value) -> Result<Call, String> {
    let (from, to) = (number(body, "from_account_id")?, number(body, "to_account_id")?);
    let amount = number(body, "amount")?;
    if amount <= 0 {
        return Err(format!("amount must be more than 0, not {amount}"));
    }
    if from == to {
        return Err("from_account_id and to_account_id are the same".to_owned());
    }
    Ok(Call::Transfer { from, to, amount })
}

fn word(body: &Value, name: &str) -> Result<String, String> {
    let word = body.get(name).and_then(Value::as_str).filter(|word| !word.is_empty());
    word.map(str::to_owned).ok_or_else(|| format!("{name} must be a text"))
}

fn number(body: &Value, name: &str) -> Result<i64, String> {
    body.get(name).and_then(Value::as_i64).ok_or_else(|| format!("{name} must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str, body: &str) -> Result<Call, String> {
        Call::parse("POST", path, body.as_bytes())
    }

    #[test]
    fn every_route_is_known_and_a_query_says_nothing() {
        assert_eq!(Call::parse("GET", "/health?from=proxy", b""), Ok(Call::Health));
        assert_eq!(Call::parse("GET", "/", b""), Ok(Call::Accounts));
        assert_eq!(Call::parse("GET", "/accounts/", b""), Ok(Call::Accounts));
        assert_eq!(Call::parse("GET", "/accounts/7", b""), Ok(Call::Account(7)));
        assert_eq!(
            post("/accounts", r#"{"owner":"ann","currency":"EUR"}"#),
            Ok(Call::Open { owner: "ann".into(), balance: 0, currency: "EUR".into() })
        );
        assert_eq!(
            post("/transfers", r#"{"from_account_id":1,"to_account_id":2,"amount":3}"#),
            Ok(Call::Transfer { from: 1, to: 2, amount: 3 })
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (body, named) in [
            ("", "JSON"),
            (r#"{"currency":"EUR"}"#, "owner"),
            (r#"{"owner":"ann","currency":7}"#, "currency"),
            (r#"{"owner":"ann","currency":"EUR","balance":1.5}"#, "balance"),
            (r#"{"owner":"ann","currency":"EUR","balance":-1}"#, "debts"),
        ] {
            assert!(post("/accounts", body).is_err_and(|why| why.contains(named)), "{body}");
        }
        for (body, named) in [
            (r#"{"from_account_id":1,"to_account_id":2,"amount":0}"#, "amount"),
            (r#"{"from_account_id":1,"to_account_id":1,"amount":3}"#, "the same"),
            (r#"{"from_account_id":1,"amount":3}"#, "to_account_id"),
        ] {
            assert!(post("/transfers", body).is_err_and(|why| why.contains(named)), "{body}");
        }
        assert!(Call::parse("GET", "/accounts/one", b"").is_err());
        assert!(Call::parse("DELETE", "/accounts/1", b"").is_err());
    }

    #[test]
    fn what_makes_something_is_told_from_what_reads() {
        assert!(Call::Transfer { from: 1, to: 2, amount: 3 }.makes());
        assert!(!Call::Account(1).makes());
    }
}
