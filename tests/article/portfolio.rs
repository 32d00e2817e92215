//! Project 2: nginx in front of a client, with restart policies, a bind mount and an anonymous volume.
//!
//! What a newcomer would get wrong: the sources are mounted over what the image was built with, so what the build made
//! below /app is seen through the anonymous volume alone.

use std::fs;

use rrun_harness::engines::article;
use rrun_harness::{Must, eventually};

use crate::composer::{Composer, get, project};

const PAGE: &str = "http://127.0.0.1:80/";

/// Up, answering on 80, coming back when it is killed, down, and nothing left.
#[track_caller]
pub fn stands(engine: &dyn Composer) {
    let scratch = engine.room().path().join("images");
    engine.take(&article::nginx_image(&scratch));
    engine.take(&article::busybox_image(&scratch));
    let directory = project(engine, "compose-2");
    engine.up(&directory);

    serves(engine);
    for name in ["nginx", "client"] {
        assert_eq!(engine.inspect(name, engine.runtime()), "rrun", "of the container {name}");
        let networks = engine.inspect(name, "{{json .NetworkSettings.Networks}}");
        assert!(networks.contains("compose-2_frontend"), "{networks}");
    }
    let driver = engine.engine(&["network", "inspect", "compose-2_frontend"]).success().json();
    let driver = driver[0].get("Driver").or_else(|| driver[0].get("driver")).cloned();
    assert_eq!(driver.must("the network's driver"), "bridge");

    // The client ends when its stdin does: that it serves says that stdin is open.
    assert_eq!(engine.inspect("client", "{{.Config.OpenStdin}}"), "true");
    let environment = engine.engine(&["exec", "client", "env"]).success().stdout();
    for variable in ["PORT=3000", "NODE_ENV=development", "CHOKIDAR_USEPOLLING=true"] {
        assert!(environment.lines().any(|line| line == variable), "{environment}");
    }
    // The bind mount: what is edited outside is served; the volume: what the image had below it is kept.
    fs::write(directory.join("client/public/new.html"), "edited outside\n")
        .must("edit the sources");
    assert_eq!(get(engine, &format!("{PAGE}new.html")).as_deref(), Some("edited outside\n"));
    let module = ["exec", "client", "cat", "/app/node_modules/portfolio/index.js"];
    engine.engine(&module).success().stdout_is("kept from the image\n");
    assert!(!directory.join("client/node_modules/portfolio").exists(), "that is in the volume");

    comes_back(engine, "client", "KILL");
    comes_back(engine, "nginx", "QUIT");

    engine.down(&directory);
}

#[track_caller]
fn serves(engine: &dyn Composer) {
    let page = || get(engine, PAGE).is_some_and(|page| page.contains("<h1>A portfolio</h1>"));
    if !eventually(page) {
        let logs = ["nginx", "client"].map(|name| engine.engine(&["logs", name]).account());
        panic!("no page through nginx\n{}", logs.join("\n"));
    }
}

/// `on-failure` acts on SIGKILL; `always` on an end with status 0, too, which is how nginx ends on SIGQUIT.
#[track_caller]
fn comes_back(engine: &dyn Composer, name: &str, signal: &str) {
    let before = engine.inspect(name, "{{.State.Pid}}");
    engine.kill_main_process(name, signal);
    let back = eventually(|| {
        let now = engine.inspect(name, "{{.State.Running}} {{.State.Pid}} {{.RestartCount}}");
        now.starts_with("true ") && now.ends_with(" 1") && !now.contains(&format!(" {before} "))
    });
    assert!(back, "{name} did not come back: {}", engine.inspect(name, "{{json .State}}"));
    serves(engine);
}
