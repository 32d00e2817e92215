//! The bank's tables and what is done with them.
//!
//! It refuses to keep a connection that has failed: the next call makes a new one, so that a database may be restarted
//! under it. What a newcomer would get wrong: replicas start at the same time, and `create table if not exists` of two
//! sessions at once is an error in one of them; a lock is taken first.

use crate::call::Call;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, Row, Statement, Transaction};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TABLES: &str = "\
    begin; \
    select pg_advisory_xact_lock(7077); \
    create table if not exists accounts (id bigserial primary key, owner text not null, \
      balance bigint not null check (balance >= 0), currency text not null, \
      created_at timestamptz not null default now()); \
    create table if not exists transfers (id bigserial primary key, \
      from_account_id bigint not null references accounts, to_account_id bigint not null references accounts, \
      amount bigint not null check (amount > 0), created_at timestamptz not null default now()); \
    create table if not exists entries (id bigserial primary key, account_id bigint not null references accounts, \
      amount bigint not null, created_at timestamptz not null default now()); \
    commit";

/// Longer than a server on this network ever takes to accept; a host that is not there yet must not cost more.
const CONNECT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such account.
    Unknown(String),
    /// The request makes no sense to a bank.
    Unfit(String),
    /// The database does not answer.
    Down(String),
}

impl From<postgres::Error> for Refusal {
    fn from(error: postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::CHECK_VIOLATION) => {
                Self::Unfit("there is not enough money in it".to_owned())
            }
            Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => {
                Self::Unfit("more money than a bank can count".to_owned())
            }
            _ => Self::Down(sentence(&error)),
        }
    }
}

/// A database, and a connection to it when there is one.
pub(crate) struct Bank {
    config: Config,
    session: Option<Session>,
}

struct Session {
    client: Client,
    /// The call that is asked most is planned once.
    one: Statement,
}

/// The same database; a connection of its own.
impl Clone for Bank {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), session: None }
    }
}

impl Bank {
    /// The bank in this database. Nothing is connected yet.
    pub(crate) fn at(source: &str) -> Result<Self, String> {
        let mut config: Config =
            source.parse().map_err(|why| format!("DB_SOURCE is no address: {}", sentence(&why)))?;
        if config.get_hosts().is_empty() {
            return Err("DB_SOURCE is no address: it names no host".to_owned());
        }
        config.connect_timeout(CONNECT);
        Ok(Self { config, session: None })
    }

    /// Waits until the database is there, but not for ever, and makes what is missing in it.
    pub(crate) fn open(&mut self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(5);
        loop {
            let made = self.config.connect(NoTls).and_then(|mut new| new.batch_execute(TABLES));
            let Err(why) = made else { return Ok(()) };
            if Instant::now() + pause > deadline {
                let waited = patience.as_secs();
                return Err(format!("no database after {waited} s: {}", sentence(&why)));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Does what is asked for.
    pub(crate) fn answer(&mut self, call: &Call) -> Result<Value, Refusal> {
        let mut session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => Session::new(&self.config)?,
        };
        let answer = session.answer(call);
        // A session that has failed is forgotten: nobody knows in which state it is.
        if !matches!(answer, Err(Refusal::Down(_))) {
            self.session = Some(session);
        }
        answer
    }
}

impl Session {
    fn new(config: &Config) -> Result<Self, Refusal> {
        let mut client = config.connect(NoTls)?;
        let one = client.prepare("select id, owner, balance, currency from accounts where id = $1");
        Ok(Self { one: one?, client })
    }

    fn answer(&mut self, call: &Call) -> Result<Value, Refusal> {
        match call {
            Call::Health => Ok(json!({ "status": "ok" })),
            Call::Accounts => {
                let all = "select id, owner, balance, currency from accounts order by id limit 100";
                let rows = self.client.query(all, &[])?;
                Ok(rows.iter().map(account).collect())
            }
            Call::Account(id) => {
                let row = self.client.query_opt(&self.one, &[id])?;
                row.as_ref().map(account).ok_or_else(|| unknown(*id))
            }
            Call::Open { owner, balance, currency } => {
                let insert = "insert into accounts (owner, balance, currency) values ($1, $2, $3) \
                              returning id, owner, balance, currency";
                Ok(account(&self.client.query_one(insert, &[owner, balance, currency])?))
            }
            Call::Transfer { from, to, amount } => {
                let mut transaction = self.client.transaction()?;
                let id = transfer(&mut transaction, [*from, *to], *amount)?;
                transaction.commit()?;
                Ok(
                    json!({ "id": id, "from_account_id": from, "to_account_id": to, "amount": amount }),
                )
            }
        }
    }
}

/// Both accounts are locked in the order of their numbers, so that two transfers never wait for each other.
fn transfer(bank: &mut Transaction<'_>, ends: [i64; 2], amount: i64) -> Result<i64, Refusal> {
    let [from, to] = ends;
    let lock = "select id, currency from accounts where id in ($1, $2) order by id for update";
    let found = bank.query(lock, &[&from, &to])?;
    let currency = |id: i64| {
        let row = found.iter().find(|row| row.get::<_, i64>(0) == id);
        row.map(|row| row.get::<_, String>(1)).ok_or_else(|| unknown(id))
    };
    let (given, taken) = (currency(from)?, currency(to)?);
    if given != taken {
        return Err(Refusal::Unfit(format!("the accounts are in {given} and {taken}")));
    }
    let change = "update accounts set balance = balance + $2 where id = $1";
    let enter = "insert into entries (account_id, amount) values ($1, $2)";
    for (id, amount) in [(from, -amount), (to, amount)] {
        bank.execute(change, &[&id, &amount])?;
        bank.execute(enter, &[&id, &amount])?;
    }
    let keep = "insert into transfers (from_account_id, to_account_id, amount) values ($1, $2, $3) \
                returning id";
    Ok(bank.query_one(keep, &[&from, &to, &amount])?.get(0))
}

fn unknown(id: i64) -> Refusal {
    Refusal::Unknown(format!("there is no account {id}"))
}

fn account(row: &Row) -> Value {
    let (id, balance): (i64, i64) = (row.get(0), row.get(2));
    let (owner, currency): (&str, &str) = (row.get(1), row.get(3));
    json!({ "id": id, "owner": owner, "balance": balance, "currency": currency })
}

/// An error with its causes: the crate's own words alone say "error connecting to server".
fn sentence(error: &postgres::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if !said.contains(&inner.to_string()) {
            said.push_str(&format!(": {inner}"));
        }
        cause = inner.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres::config::Host;
    use std::path::PathBuf;

    fn hosts(source: &str) -> Vec<Host> {
        let bank = Bank::at(source);
        bank.map(|bank| bank.config.get_hosts().to_vec()).unwrap_or_default()
    }

    #[test]
    fn a_source_is_a_name_an_address_or_a_directory_with_a_socket() {
        let named = "postgresql://root:secret@postgres:5432/simple_bank?sslmode=disable";
        assert_eq!(hosts(named), [Host::Tcp("postgres".into())]);
        assert_eq!(hosts("postgresql://root@127.0.0.1/bank"), [Host::Tcp("127.0.0.1".into())]);
        let socket = [Host::Unix(PathBuf::from("/run/db"))];
        assert_eq!(hosts("postgresql://root@%2Frun%2Fdb/bank"), socket);
        assert_eq!(hosts("postgresql:///bank?host=/run/db&user=root"), socket);
    }

    #[test]
    fn a_source_that_is_no_address_is_said_to_be_none() {
        for source in ["mysql://root@postgres/bank", "postgresql://root@postgres:port/bank", ""] {
            let refused = Bank::at(source).map(|_| ());
            assert!(refused.is_err_and(|why| why.contains("no address")), "{source}");
        }
    }

    #[test]
    fn a_database_that_never_comes_is_given_up_with_a_reason() {
        let bank = Bank::at("postgresql://root@127.0.0.1:1/bank");
        let given_up = bank.and_then(|mut bank| bank.open(Duration::ZERO));
        assert!(given_up.is_err_and(|why| why.contains("no database") && why.contains("refused")));
    }
}
