//! The linker begins the program at rrun's own entry point: see `rrun_sys::entry`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("ARCH") == "x86_64" && target("OS") == "linux" {
        println!("cargo::rustc-link-arg-bin=rrun=-Wl,--undefined=rrun_start,--entry=rrun_start");
    }
}
