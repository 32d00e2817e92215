//! Manual pages and completions: every verb and every flag is in each, and what reads them has no complaint.
//!
//! Knows groff and the three shells. A newcomer would compare with a stored copy, which says nothing about either.

#[path = "assets/pages.rs"]
mod pages;

use rrun_harness::{Must, requires, service_tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files in a directory that goes with the test.
struct Assets(PathBuf);

impl Assets {
    fn new(name: &str) -> Assets {
        let directory =
            std::env::temp_dir().join(format!("rrun-assets-{name}-{}", std::process::id()));
        for (file, text) in pages::all().must("make them") {
            let path = directory.join(file);
            fs::create_dir_all(path.parent().must("a directory")).must("make a directory");
            fs::write(path, text).must("write a file");
        }
        Assets(directory)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).must(file)
    }
}

impl Drop for Assets {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What `command` says on standard output and standard error.
fn said(command: &mut Command) -> (String, String) {
    let output = command.stdin(Stdio::null()).output().must("start it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

fn long_flags(command: &clap::Command) -> Vec<String> {
    command.get_arguments().filter_map(|flag| flag.get_long().map(str::to_owned)).collect()
}

#[test]
fn every_verb_has_a_page_and_every_flag_is_on_it_and_in_each_completion() {
    let assets = Assets::new("cover");
    let tree = pages::complete_tree();
    let completions: Vec<String> =
        ["completions/bash/rrun", "completions/zsh/_rrun", "completions/fish/rrun.fish"]
            .map(|file| assets.read(file))
            .into();
    let mut flags = 0;
    let verbs = tree.get_subcommands().map(|verb| (format!("rrun-{}", verb.get_name()), verb));
    for (page, verb) in verbs.chain([("rrun".to_owned(), &tree)]) {
        let text = assets.read(&format!("man/{page}.8"));
        for flag in long_flags(verb) {
            flags += 1;
            let escaped = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(text.contains(&escaped), "{page}.8 lacks --{flag}");
            for completion in &completions {
                assert!(completion.contains(&flag), "a completion lacks --{flag} of {page}");
            }
        }
        for completion in &completions {
            assert!(completion.contains(verb.get_name()), "a completion lacks {page}");
        }
    }
    assert!(flags > 80, "{flags} flags were looked for");
}

#[test]
fn groff_reads_every_page_without_a_warning_and_loses_nothing() {
    requires!(program("groff"));
    let assets = Assets::new("groff");
    for page in fs::read_dir(assets.0.join("man")).must("list the pages").flatten() {
        let mut groff = Command::new("groff");
        groff.args(["-ww", "-man", "-Tascii", "-P-cbou"]).arg(page.path());
        let (text, complaints) = said(&mut groff);
        assert_eq!(complaints, "", "{}", page.path().display());
        assert!(text.contains("SYNOPSIS") && text.contains("SEE ALSO"), "{text}");
    }
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tascii", "-P-cbou"]).arg(assets.0.join("man/rrun-wait.8"));
    let (text, _) = said(&mut groff);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    assert!(text.contains("[--timeout]") && text.contains("Linux 6.15 or newer"), "{text}");
}

#[test]
fn bash_completes_verbs_and_their_flags() {
    requires!(program("bash"));
    let assets = Assets::new("bash");
    let complete = |words: &str, last: &str| {
        let script = format!(
            "set -eu; . {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             COMPREPLY=(); _rrun rrun \"{last}\" \"\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            assets.0.join("completions/bash/rrun").display()
        );
        said(Command::new("bash").args(["--norc", "-c", &script])).0
    };
    let verbs = complete("rrun de", "de");
    assert_eq!(verbs.trim(), "delete");
    assert_eq!(complete("rrun wait --ti", "--ti").trim(), "--timeout");
    assert_eq!(complete("rrun exec --ignore", "--ignore").trim(), "--ignore-paused");
}

/// `shell` in a tree of the distribution's package, with the completions in it.
fn in_tree(package: &str, assets: &Assets, file: &str, words: &[&str]) -> (String, String) {
    let tree = service_tree(package).must("unpack it");
    let copy = Path::new("/tmp").join(format!("completion-{}", std::process::id()));
    let inside = tree.join(copy.strip_prefix("/").must("an absolute path"));
    fs::write(&inside, assets.read(file)).must("copy it");
    let mut command = Command::new("chroot");
    command.arg(&tree).args(words).env("FILE", &copy).env("HOME", "/tmp").env("TERM", "dumb");
    let answer = said(&mut command);
    fs::remove_file(inside).must("remove the copy");
    answer
}

#[test]
fn zsh_loads_its_completion() {
    requires!(root, service("zsh"));
    let assets = Assets::new("zsh");
    let script = "zsh -n $FILE && autoload -Uz compinit && compinit -D -u && . $FILE && \
                  whence -w _rrun && whence -w _rrun__subcmd__wait_commands || whence -wm '_rrun*'";
    let words = ["/bin/zsh", "-f", "-c", script];
    let (text, complaints) = in_tree("zsh", &assets, "completions/zsh/_rrun", &words);
    assert_eq!(complaints, "");
    assert!(text.contains("_rrun: function"), "{text}");
}

#[test]
fn fish_completes_verbs_and_their_flags() {
    requires!(root, service("fish"));
    let assets = Assets::new("fish");
    let script = "source $FILE; complete -C 'rrun de'; complete -C 'rrun wait --ti'";
    let words = ["/usr/bin/fish", "--no-config", "-c", script];
    let (text, complaints) = in_tree("fish", &assets, "completions/fish/rrun.fish", &words);
    assert_eq!(complaints, "");
    assert!(text.contains("delete\t") && text.contains("--timeout"), "{text}");
}
