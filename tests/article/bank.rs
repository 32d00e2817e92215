//! Project 1: PostgreSQL, and a bank that waits for it.
//!
//! What a newcomer would get wrong: `depends_on` orders starts, and a database that has started does not answer yet; the
//! entrypoint's script is what waits.

use serde_json::Value;

use rrun_harness::engines::article;
use rrun_harness::{Must, eventually, service_tree};

use crate::composer::{Composer, get, post, project};

/// Up, answering on 8080 and 5432, down, and nothing left.
#[track_caller]
pub fn stands(engine: &dyn Composer) {
    let scratch = engine.room().path().join("images");
    engine.take(&article::postgres_image(&scratch));
    engine.take(&article::builder_image(&scratch));
    engine.take(&article::busybox_image(&scratch));
    let directory = project(engine, "compose-1");
    engine.up(&directory);
    let (api, postgres) = (engine.container_of("api"), engine.container_of("postgres"));
    for name in [&api, &postgres] {
        assert_eq!(engine.inspect(name, engine.runtime()), "rrun");
    }

    keeps_accounts(engine, "127.0.0.1:8080");
    let log = engine.engine(&["logs", &api]).success();
    for words in ["wait-for-it: postgres:5432 is there", "start: /app/main", "listening on"] {
        assert!(log.stdout().contains(words), "{words:?} was not said\n{}", log.account());
    }
    // The scripts have gone: the program took their process over, and gets the signals.
    let first = engine.engine(&["exec", &api, "cat", "/proc/1/cmdline"]).success().stdout();
    assert_eq!(first, "/app/main\0");

    let owners = "select owner from accounts order by id limit 1";
    let asked = query(engine, "secret", owners);
    assert_eq!(asked.as_deref(), Ok("ann"), "what the API wrote, on the database's own port");
    let user = query(engine, "secret", "select current_user || ' of ' || current_database()");
    assert_eq!(user.as_deref(), Ok("root of simple_bank"));
    let refused = query(engine, "guessed", owners);
    assert!(refused.as_ref().is_err_and(|why| why.contains("password")), "{refused:?}");

    engine.down(&directory);
}

/// Writes an account through the API and reads it again.
#[track_caller]
pub fn keeps_accounts(engine: &dyn Composer, address: &str) {
    let url = format!("http://{address}/accounts");
    assert!(eventually(|| get(engine, &url).is_some()), "the API does not answer at {url}");
    let opened = post(engine, &url, r#"{"owner":"ann","balance":70,"currency":"EUR"}"#).success();
    let id = opened.json()["id"].as_i64().must("the number of the new account");
    let account = get(engine, &format!("{url}/{id}")).must("read the account");
    let account: Value = serde_json::from_str(&account).must("read JSON");
    assert_eq!((&account["owner"], &account["balance"]), (&"ann".into(), &70.into()));
}

/// What psql of the packages gets over TCP from the published port.
#[track_caller]
fn query(engine: &dyn Composer, password: &str, question: &str) -> Result<String, String> {
    let tree = service_tree("postgresql").must("unpack the packages");
    let mut command = engine.room().command("chroot");
    command.arg(tree).args(["/bin/sh", "-c", "exec /usr/lib/postgresql/*/bin/psql \"$@\"", "psql"]);
    command.args(["-h", "127.0.0.1", "-U", "root", "-d", "simple_bank", "-At", "-c", question]);
    // The room's variables name libraries outside of this tree.
    command.env("PGPASSWORD", password).env_remove("LD_LIBRARY_PATH");
    let output = engine.room().finish(command);
    match output.exit_code() {
        0 => Ok(output.stdout().trim().to_owned()),
        _ => Err(output.stderr().to_owned()),
    }
}
