//! `docker build`: its RUN lines are containers, too.

use std::fs;

use rrun_harness::Must;
use rrun_harness::engines::Docker;

pub fn an_image_is_built(docker: &Docker, base: &str) {
    let context = docker.room().path().join("context");
    fs::create_dir_all(&context).must("make the context");
    fs::write(context.join("given"), "given\n").must("write a file");
    let lines = format!(
        "FROM {base}\nENV WORD=word\nCOPY given /srv/given\nWORKDIR /srv\n\
         RUN cat given > made && echo $WORD >> made && id -u >> made\n\
         RUN grep -q word made\nCMD [\"cat\", \"/srv/made\"]\n"
    );
    fs::write(context.join("Dockerfile"), lines).must("write the Dockerfile");
    let at = context.display().to_string();
    docker.call(&["build", "--tag", "built", &at]).success();
    docker.call(&["run", "--rm", "built"]).success().stdout_is("given\nword\n0\n");
    // And a RUN line that fails, fails the build.
    fs::write(context.join("Dockerfile"), format!("FROM {base}\nRUN exit 7\n")).must("write it");
    let output = docker.call(&["build", "--tag", "failed", &at]).failure();
    let said = format!("{}{}", output.stdout(), output.stderr());
    assert!(said.contains(": 7") || said.contains("code 7"), "no 7 in {said}");
}
