//! A container's life as docker tells it.

use rrun_harness::engines::Docker;
use rrun_harness::{Output, eventually};

/// One container of one case.
pub struct Scene<'a> {
    pub docker: &'a Docker,
    pub runtime: Option<&'static str>,
    pub image: &'a str,
    pub name: String,
}

impl<'a> Scene<'a> {
    pub fn new(docker: &'a Docker, runtime: Option<&'static str>, image: &'a str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Scene { docker, runtime, image, name }
    }

    /// The words of `docker run`.
    pub fn run_words(&self, flags: &[&str], argv: &[&str]) -> Vec<String> {
        let mut words = vec!["run".to_owned(), "--name".into(), self.name.clone()];
        words.extend(self.runtime.map(|runtime| format!("--runtime={runtime}")));
        words.extend(flags.iter().map(|&word| word.to_owned()));
        words.push(self.image.to_owned());
        words.extend(argv.iter().map(|&word| word.to_owned()));
        words
    }

    /// `docker run`
    #[track_caller]
    pub fn run(&self, flags: &[&str], argv: &[&str]) -> Output {
        let words = self.run_words(flags, argv);
        self.docker.call(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `docker run --detach`
    #[track_caller]
    pub fn detach(&self, flags: &[&str], argv: &[&str]) {
        self.run(&[&["--detach"], flags].concat(), argv).success();
    }

    /// `docker VERB FLAGS… NAME REST…`
    #[track_caller]
    pub fn call(&self, verb: &[&str], rest: &[&str]) -> Output {
        self.docker.call(&[verb, &[&*self.name], rest].concat())
    }

    /// `docker exec`
    #[track_caller]
    pub fn exec(&self, argv: &[&str]) -> Output {
        self.call(&["exec"], argv)
    }

    /// A field of `docker inspect`, by its template.
    #[track_caller]
    pub fn inspect(&self, template: &str) -> String {
        let format = format!("{{{{{template}}}}}");
        self.call(&["inspect", "--format", &format], &[]).success().stdout().trim().to_owned()
    }

    #[track_caller]
    pub fn expect(&self, template: &str, value: &str) {
        let mut last = String::new();
        let reached = eventually(|| {
            last = self.inspect(template);
            last == value
        });
        assert!(reached, "{template} is {last:?}, not {value:?}");
    }

    #[track_caller]
    pub fn remove(&self) {
        self.call(&["rm", "--force", "--volumes"], &[]).success();
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.call(&["rm", "--force", "--volumes"], &[]);
        }
    }
}
