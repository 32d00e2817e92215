//! Command lines, and what is understood or refused in them.

use super::*;
use crate::log::{Detail, Format, Place};

fn understand(line: &str) -> Result<Invocation, Refusal> {
    parse(std::iter::once("rrun").chain(line.split_ascii_whitespace()).map(OsString::from))
}

fn request(line: &str) -> Request {
    understand(line).unwrap_or_else(|refusal| panic!("{line}: {}", refusal.error)).request
}

fn refusal(line: &str) -> (String, u8) {
    let refusal = understand(line).expect_err(line);
    assert_eq!(refusal.error.kind(), Kind::Usage, "{line}");
    (refusal.error.to_string(), refusal.exit)
}

fn exec(line: &str) -> ExecArgs {
    match request(line) {
        Request::Exec(args) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

fn run(line: &str) -> RunArgs {
    match request(line) {
        Request::Run(args) => args,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_lines_that_containerd_sends_are_understood() {
    let create = understand(
        "--root /run/containerd/runc/default --log /b/log.json --log-format json --systemd-cgroup \
         create --bundle /b --pid-file /b/init.pid --console-socket /s --no-pivot --no-new-keyring \
         --pidfd-socket /p --preserve-fds 3 web",
    )
    .unwrap();
    assert_eq!(create.verb, "create");
    assert_eq!(create.globals.root, Some("/run/containerd/runc/default".into()));
    assert_eq!(create.globals.log.place, Place::File("/b/log.json".into()));
    assert_eq!(create.globals.log.format, Format::Json);
    assert_eq!(create.globals.log.detail, Detail::Normal);
    assert!(create.globals.systemd_cgroup);
    let Request::Create(args) = create.request else { panic!("{:?}", create.request) };
    assert_eq!(
        args,
        CreateArgs {
            id: crate::id::ContainerId::new("web").unwrap(),
            bundle: Some("/b".into()),
            config: None,
            console_socket: Some("/s".into()),
            pidfd_socket: Some("/p".into()),
            pid_file: Some("/b/init.pid".into()),
            preserve_fds: 3,
            no_pivot: true,
            no_new_keyring: true,
            trace: None,
        }
    );
    let args = exec("exec --process /tmp/p --detach --pid-file /b/e.pid web");
    assert_eq!((args.process, args.detach, args.program), (Some("/tmp/p".into()), true, vec![]));
    for line in [
        "start web",
        "delete web",
        "delete --force web",
        "kill web 15",
        "kill --all web 9",
        "state web",
        "list --format=json",
        "features",
        "--version",
        "exec --pid-file /f --process /p --detach --tty web",
        "pause web",
        "resume web",
        "ps --format json web",
        "update --resources - web",
        "update --resources=- web",
        "update --resources=/f web",
        "events --stats web",
        "events --interval=5s web",
        "events --pressure memory --pressure=cpu:full:1s/4s web",
    ] {
        request(line);
    }
}

#[test]
fn go_spells_flags_with_one_dash_and_switches_with_a_value() {
    let args = run("run -bundle=/b -no-subreaper -keep=false --detach=true -pid-file /f web");
    assert_eq!(args.create.bundle, Some("/b".into()));
    assert_eq!(args.create.pid_file, Some("/f".into()));
    assert_eq!((args.no_subreaper, args.keep, args.detach), (true, false, true));
    let globals = |line| understand(line).unwrap().globals;
    assert!(!globals("--systemd-cgroup=false state web").systemd_cgroup);
    assert!(globals("-systemd-cgroup state web").systemd_cgroup);
    assert_eq!(globals("-debug state web").log.detail, Detail::Debug);
    assert_eq!(globals("-root /r state web").root, Some("/r".into()));
    for (line, rootless) in [
        ("--rootless state web", Rootless::Yes),
        ("--rootless=true state web", Rootless::Yes),
        ("--rootless false state web", Rootless::No),
        ("--rootless auto state web", Rootless::Auto),
        ("-rootless=auto state web", Rootless::Auto),
        ("state web", Rootless::Auto),
    ] {
        assert_eq!(globals(line).rootless, rootless, "{line}");
    }
}

#[test]
fn the_id_may_stand_before_the_flags_and_the_last_of_several_wins() {
    let args = run("run web --bundle /a -d --bundle /b");
    assert_eq!((args.create.id.as_str(), args.detach), ("web", true));
    assert_eq!(args.create.bundle, Some("/b".into()));
    let Request::Delete(args) = request("delete web --force") else { panic!() };
    assert!(args.force);
    let Request::Kill(args) = request("kill web KILL -a") else { panic!() };
    assert_eq!((args.signal, args.all), (Signal(9), true));
    let Request::Kill(args) = request("kill web") else { panic!() };
    assert_eq!((args.signal, args.all), (Signal::TERM, false));
}

#[test]
fn with_regex_the_id_is_a_pattern_and_never_an_empty_one() {
    let Request::Kill(args) = request("kill --regex ^(web|api)-[0-9]+$ KILL") else { panic!() };
    assert_eq!(args.whom, Whom::Matching("^(web|api)-[0-9]+$".into()));
    let Request::Delete(args) = request("delete -f -r .*") else { panic!() };
    assert_eq!((args.whom, args.force), (Whom::Matching(".*".into()), true));
    let Request::Delete(args) = request("delete --regex=false web") else { panic!() };
    assert!(matches!(args.whom, Whom::One(_)));
    assert!(parse(["rrun", "delete", "-r", ""].map(OsString::from)).is_err());
    refusal("kill ^web$");
}

#[test]
fn where_and_how_much_is_logged_is_understood_as_runc_crun_and_youki_write_it() {
    let globals =
        |line: &str| understand(line).unwrap_or_else(|r| panic!("{line}: {}", r.error)).globals;
    for (flags, detail) in [
        ("", Detail::Normal),
        ("--log-level error", Detail::Failures),
        ("--log-level=warning", Detail::Normal),
        ("--log-level debug", Detail::Debug),
        ("--debug --log-level error", Detail::Debug),
    ] {
        assert_eq!(globals(&format!("{flags} list")).log.detail, detail, "{flags}");
    }
    assert_eq!(globals("--log journald:web list").log.place, Place::Journal("web".into()));
    assert_eq!(globals("--log file:/l list").log.place, Place::File("/l".into()));
    refusal("--log syslog: list");
    refusal("--log-level loud list");
}

#[test]
fn the_cgroup_manager_is_named_once() {
    let globals = |line: &str| {
        let globals = understand(&format!("{line} list")).unwrap().globals;
        (globals.systemd_cgroup, globals.no_cgroup)
    };
    assert_eq!(globals(""), (false, false));
    assert_eq!(globals("--systemd-cgroup"), (true, false));
    assert_eq!(globals("--cgroup-manager systemd"), (true, false));
    assert_eq!(globals("--cgroup-manager=cgroupfs --systemd-cgroup"), (false, false));
    assert_eq!(globals("--cgroup-manager disabled"), (false, true));
    refusal("--cgroup-manager nobody list");
}

#[test]
fn what_follows_the_id_of_exec_belongs_to_the_program() {
    for (line, program) in [
        ("exec web ls", &["ls"][..]),
        ("exec --tty web ls -la --tty", &["ls", "-la", "--tty"]),
        ("exec web -- ls -- -x", &["ls", "--", "-x"]),
        ("exec -- web ls", &["ls"]),
        ("exec -t -e A=b -u 0 web sh -c -e", &["sh", "-c", "-e"]),
        ("exec -tdu 0 web env", &["env"]),
        ("exec -u0 web env", &["env"]),
        ("exec -tu0 web -- -x", &["-x"]),
        ("exec -u=0 web env", &["env"]),
        ("exec web sh -help", &["sh", "-help"]),
        ("exec --env A=web --cwd web web web", &["web"]),
    ] {
        let args = exec(line);
        assert_eq!(args.id.as_str(), "web", "{line}");
        assert_eq!(args.program, program, "{line}");
    }
    let args =
        exec("exec -t -e A=b --env B=--c -env C= -u 1:2 -g 3 -g 4 -c CAP_X --cap CAP_Y w ls");
    assert_eq!(args.env, ["A=b", "B=--c", "C="]);
    assert_eq!(args.additional_gids, [3, 4]);
    assert_eq!(args.caps, ["CAP_X", "CAP_Y"]);
    assert_eq!(args.user, Some(ExecUser { uid: 1, gid: Some(2) }));
    assert!(args.tty);
}

#[test]
fn what_is_wrong_is_named_with_its_value_and_the_fix() {
    for (line, parts) in [
        ("run --zzz web", &["run: unknown flag --zzz", "rrun run --help"][..]),
        ("run --bundel /b web", &["unknown flag --bundel", "did you mean --bundle"]),
        ("--nope run web", &["unknown flag --nope", "rrun --help"]),
        ("run --root /r web", &["unknown flag --root", "--root stands before the command"]),
        ("run", &["run: <ID> is missing"]),
        ("state", &["state: <ID> is missing"]),
        ("state web two", &["unexpected argument \"two\""]),
        ("features web", &["unexpected argument \"web\""]),
        ("run --bundle", &["--bundle <DIR> needs a value"]),
        ("run --bundle= web", &["--bundle: \"\" is empty"]),
        ("run --preserve-fds x web", &["--preserve-fds: \"x\"", "decimal"]),
        ("run --preserve-fds -1 web", &["--preserve-fds: \"-1\""]),
        ("run --detach=maybe web", &["--detach: \"maybe\"", "--detach=false"]),
        ("run a/b", &["invalid container id \"a/b\""]),
        ("state -- -x", &["invalid container id \"-x\"", "begin it with"]),
        ("kill web BOGUS", &["SIGNAL: \"BOGUS\"", "SIGKILL"]),
        ("kill web -9", &["SIGNAL: \"-9\"", "without a dash"]),
        ("list --format xml", &["--format: \"xml\"", "table or json"]),
        ("--log-format xml list", &["--log-format: \"xml\"", "text or json"]),
        ("--rootless=maybe list", &["--rootless: \"maybe\"", "true, false or auto"]),
        ("exec web", &["no program to run", "--process FILE"]),
        ("exec -p /p web ls", &["program \"ls\"", "--process too"]),
        ("exec -e A web ls", &["--env: \"A\"", "NAME=VALUE"]),
        ("exec -e =A web ls", &["--env: \"=A\"", "NAME=VALUE"]),
        ("exec --user root web ls", &["--user: \"root\"", "1000:1000"]),
        ("exec -g x web ls", &["--additional-gids: \"x\""]),
        ("unpack a", &["<BUNDLE> is missing"]),
        ("pause", &["pause: <ID> is missing"]),
        ("ps --format xml web", &["--format: \"xml\"", "table or json"]),
        ("update web", &["nothing to change", "--resources FILE"]),
        ("update --memory 64x web", &["--memory: \"64x\"", "k, m, g or t"]),
        ("update --cpu-quota 1.5 web", &["--cpu-quota: \"1.5\"", "number"]),
        ("update --memory 64m -r /f web", &["--memory is given", "--resources too"]),
        ("events --interval 5 web", &["--interval: \"5\"", "5s"]),
        ("events --interval 0s web", &["--interval", "no time to wait"]),
        ("events --pressure disk web", &["--pressure: \"disk\"", "cpu, memory or io"]),
        ("events --stats --pressure io web", &["--stats ends before", "leave one of them away"]),
    ] {
        let (text, exit) = refusal(line);
        assert_eq!(exit, 1, "{line}");
        for part in parts {
            assert!(text.contains(part), "{line}: {text}");
        }
        assert!(!text.contains('\n'), "{line}: {text}");
    }
}

#[test]
fn flags_of_update_are_fields_of_the_configuration() {
    let update = |line: &str| match request(line) {
        Request::Update(args) => args.source,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(update("update -r - web"), UpdateSource::StandardInput);
    assert_eq!(update("update web --resources=-"), UpdateSource::StandardInput);
    assert_eq!(update("update -resources /f web"), UpdateSource::File("/f".into()));
    let line = "update --memory 64m --memory-swap -1 --memory-reservation= --cpu-quota=-1 --cpu-share 512 \
                --cpuset-cpus 0-1 --pids-limit 0 --blkio-weight 100 -cpu-idle 1 web";
    assert_eq!(
        update(line),
        UpdateSource::Flags(serde_json::json!({
            "memory": { "limit": 64 << 20, "swap": -1 },
            "cpu": { "quota": -1, "shares": 512, "cpus": "0-1", "idle": 1 },
            "pids": { "limit": 0 },
            "blockIO": { "weight": 100 },
        }))
    );
    let schemata = |line: &str| match request(line) {
        Request::Update(args) => (args.source, args.schemata),
        other => panic!("{line}: {other:?}"),
    };
    let (source, [l3, bandwidth]) = schemata("update --l3-cache-schema L3:0=f web");
    assert_eq!(source, UpdateSource::Flags(serde_json::json!({})));
    assert_eq!((l3.as_deref(), bandwidth), (Some("L3:0=f"), None));
    let (source, [_, bandwidth]) = schemata("update -r FILE --mem-bw-schema MB:0=20 web");
    assert_eq!(source, UpdateSource::File("FILE".into()));
    assert_eq!(bandwidth.as_deref(), Some("MB:0=20"));
}

#[test]
fn what_follows_the_id_of_ps_is_for_ps() {
    let ps = |line: &str| match request(line) {
        Request::Ps(args) => (args.format, args.options),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(ps("ps web"), (ListFormat::Table, vec![]));
    assert_eq!(ps("ps -f json web"), (ListFormat::Json, vec![]));
    let options = vec!["-o".into(), "pid,comm".into(), "-f".into()];
    assert_eq!(ps("ps web -o pid,comm -f"), (ListFormat::Table, options));
}

#[test]
fn an_unknown_command_exits_3_and_guesses_what_was_meant() {
    assert_eq!(
        refusal("rnu web"),
        ("unknown command \"rnu\"; did you mean \"rrun run\"?".into(), 3)
    );
    for (given, meant) in
        [("creat", "create"), ("lists", "list"), ("exac", "exec"), ("kil", "kill")]
    {
        let text = refusal(given).0;
        assert!(text.ends_with(&format!("did you mean \"rrun {meant}\"?")), "{text}");
    }
    let (text, exit) = refusal("snapshot web");
    assert_eq!((text.contains("rrun --help"), exit), (true, 3), "{text}");
    assert_eq!(refusal("help bogus").1, 3);
}

#[test]
fn a_refusal_still_knows_where_to_log() {
    let refusal = understand("--log /l --log-format json run --nope web").unwrap_err();
    assert_eq!(refusal.globals.log.place, Place::File("/l".into()));
    assert_eq!(refusal.globals.log.format, Format::Json);
}

#[test]
fn help_and_version_are_answers() {
    for (line, part) in [
        ("", "unpack"),
        ("--help", "--systemd-cgroup"),
        ("-h", "Usage: rrun"),
        ("help", "Usage: rrun"),
        ("help run", "Usage: rrun run"),
        ("run --help", "--no-subreaper"),
        ("run -h web", "Usage: rrun run"),
        ("exec --help", "Usage: rrun exec"),
    ] {
        match request(line) {
            Request::Help(text) => assert!(text.contains(part), "{line}: {text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    assert!(matches!(request("-v"), Request::Version));
    assert!(matches!(request("--root /r --version list"), Request::Version));
}

#[test]
fn every_verb_is_sound_by_claps_own_checks() {
    flags::tree().debug_assert();
}

#[test]
fn text_that_is_not_utf8_is_a_path_or_refused() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(b"/b\xff".to_vec());
    let line = |words: &[&str], last: &OsString| {
        parse(words.iter().map(OsString::from).chain([last.clone()]))
    };
    let Request::Run(args) = line(&["rrun", "run", "web", "--bundle"], &odd).unwrap().request
    else {
        panic!()
    };
    assert_eq!(args.create.bundle, Some(odd.clone().into()));
    for words in [&["rrun", "state"][..], &["rrun", "exec", "web", "ls"], &["rrun", "kill", "web"]]
    {
        let error = line(words, &odd).unwrap_err().error;
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
