//! `podman build`: its RUN steps are containers, too, which buildah starts without conmon.

use std::fs;

use rrun_harness::engines::Set;
use rrun_harness::{Must, requires};

use crate::{IMAGE, podman};

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn run_steps_are_containers_of_rrun() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let context = podman.room().path().join("context");
    fs::create_dir(&context).must("make the context");
    let recipe = format!(
        "FROM {IMAGE}\nARG WORD=unset\nRUN echo $WORD > /word && id -u > /user\nUSER 1234\nWORKDIR /tmp/deep/er\n\
         RUN [\"/bin/sh\", \"-c\", \"id -u > /tmp/second; pwd > /tmp/third\"]\n\
         CMD cat /word /user /tmp/second /tmp/third\n"
    );
    fs::write(context.join("Containerfile"), recipe).must("write the recipe");
    let at = context.to_string_lossy();
    let built = ["build", "--build-arg", "WORD=given", "--tag", "localhost/built", &*at];
    podman.call(&built).success();
    podman
        .call(&["run", "--rm", "localhost/built"])
        .success()
        .stdout_is("given\n0\n1234\n/tmp/deep/er\n");

    let failing = format!("FROM {IMAGE}\nRUN exit 42\n");
    fs::write(context.join("Containerfile"), failing).must("write the recipe");
    podman
        .call(&["build", "--tag", "localhost/never", &*at])
        .failure()
        .stderr_has("exit status 42");
    podman.call(&["image", "exists", "localhost/never"]).code(1);
}
