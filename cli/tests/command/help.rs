//! What people see who do not know the program yet.

use crate::calling::call;

#[test]
fn every_command_shows_examples() {
    for command in
        ["", "dev", "edge", "origin", "config check", "config schema", "cache", "cache explain", "warm", "completions"]
    {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = call(&arguments);
        assert_eq!(help.code, Some(0), "{command}");
        let example = format!("  tidegate {}", command.split(' ').next().unwrap());
        assert!(help.stdout.contains("Examples:\n") && help.stdout.contains(&example), "{command}: {}", help.stdout);
    }
}

#[test]
fn wrong_calls_end_with_2_and_say_why() {
    let check = |arguments: &[&str], said: &str| {
        let ended = call(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    };
    check(&[], "Usage: tidegate <COMMAND>");
    check(&["edg"], "edge");
    check(&["edge"], "--config <FILE>");
    check(&["config", "check"], "<FILE>");
    check(&["dev", "--origin", "asia=http://127.0.0.1:1"], "region \"asia\" is not one of this fleet's: eu, us");
    check(&["dev", "--origin", "http://127.0.0.1:1"], "expected REGION=URL");
    check(&["dev", "--edges-per-region", "0"], "1..=9");
    check(&["origin", "--name", "two words"], "two words");
    check(&["warm", "https://a.test/"], "--node <URL>");
    check(&["completions", "cmd"], "possible values");
}

#[test]
fn completions_know_the_commands_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = call(&["completions", shell]);
        assert_eq!(completions.code, Some(0), "{shell}");
        assert!(completions.stdout.contains("edges-per-region"), "{shell}");
    }
}
