//! Keys and values on the disk: answers are right only where every block that is read is their own.

use std::fs;
use std::path::{Path, PathBuf};

use super::simulated::{WHOLE, WINDOWS, expected_by, next_token, owner_on_disk};
use super::*;

const MUCH: u64 = 1 << 30;

fn on_disk(blocks: u64, folder: &Path) -> Owner<Simulated> {
    owner_on_disk(WHOLE, blocks, LIMITS, (folder, MUCH))
}

/// The files of blocks, in the order in which they make room.
fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("nibble-prefixes")).unwrap();
    let mut files: Vec<_> = files
        .map(|file| {
            let file = file.unwrap();
            (file.metadata().unwrap().modified().unwrap(), file.path())
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

fn disk_hits(owner: &Owner<Simulated>) -> u64 {
    owner.load.prefix_disk_hits.load(Ordering::Relaxed)
}

/// Asks and checks the answer; how many tokens of the prompt were cached.
fn ask(owner: &mut Owner<Simulated>, prompt: &[u32]) -> usize {
    let answer = owner.ask(0, prompt, 30);
    owner.finish_all();
    let completion = completion(answer);
    assert_eq!(completion.token_ids, expected(prompt, 30));
    completion.cached_tokens
}

/// Writes what an answer to a prompt of 200 tokens has: seven blocks.
fn written(folder: &Path) -> Vec<u32> {
    let prompt = prompt(0, 200);
    ask(&mut on_disk(100, folder), &prompt);
    assert_eq!(files(folder).len(), 7);
    prompt
}

#[test]
fn after_a_restart_an_old_chat_goes_on_from_the_disk_with_the_same_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let first = written(folder.path());
    let next = [&first[..], &expected(&first, 30), &prompt(9, 40)].concat();
    let mut owner = on_disk(100, folder.path());
    assert_eq!(ask(&mut owner, &next), 224);
    assert_eq!(disk_hits(&owner), 224);
    // Now it is in memory.
    assert_eq!(ask(&mut owner, &next), 269);
    assert_eq!(disk_hits(&owner), 224);
    assert!(owner.load.prefix_disk_bytes.load(Ordering::Relaxed) > 0);
    // A prompt that ends with a block of the disk computes its last token.
    let mut owner = on_disk(100, folder.path());
    assert_eq!(ask(&mut owner, &first[..64]), 63);
    owner.assert_nothing_is_lost();
}

#[test]
fn what_has_left_the_memory_is_found_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut owner = on_disk(20, folder.path());
    let (one, other) = (prompt(0, 300), prompt(7, 500));
    assert_eq!(ask(&mut owner, &one), 0);
    while files(folder.path()).len() < 10 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(ask(&mut owner, &other), 0);
    // Its last block is one with the answer's tokens.
    assert_eq!(ask(&mut owner, &one), 288);
    assert!(disk_hits(&owner) > 0);
    owner.assert_nothing_is_lost();
}

#[test]
fn a_file_that_is_damaged_is_removed_and_computed_again() {
    let damages: [fn(&Path); 4] = [
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[500] ^= 1;
            fs::write(file, bytes).unwrap();
        },
        |file| {
            let file = fs::File::options().write(true).open(file).unwrap();
            file.set_len(700).unwrap();
        },
        |file| fs::write(file, "").unwrap(),
        // That of another block, in its place.
        |file| {
            let folder = file.parent().unwrap().parent().unwrap();
            fs::copy(files(folder).last().unwrap(), file)
                .map(drop)
                .unwrap();
        },
    ];
    for damage in damages {
        let folder = tempfile::tempdir().unwrap();
        let prompt = written(folder.path());
        // The longest unused is the last of the chat: this is the third.
        let third = &files(folder.path())[4];
        damage(third);
        let mut owner = on_disk(100, folder.path());
        assert_eq!(ask(&mut owner, &prompt), 64);
        drop(owner);
        assert_eq!(files(folder.path()).len(), 7);
        assert_eq!(ask(&mut on_disk(100, folder.path()), &prompt), 192);
    }
}

#[test]
fn a_folder_that_is_gone_costs_no_answer_anything() {
    let folder = tempfile::tempdir().unwrap();
    let prompt = written(folder.path());
    let mut owner = on_disk(100, folder.path());
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(ask(&mut owner, &prompt), 0);
    assert_eq!(ask(&mut owner, &prompt), 199);
    drop(owner);
    assert!(!folder.path().exists());
}

#[test]
fn many_answers_at_once_read_their_own_and_others_run_on() {
    let folder = tempfile::tempdir().unwrap();
    let shared = written(folder.path());
    let mut owner = on_disk(100, folder.path());
    let asked: Vec<_> = (0..12)
        .map(|i| {
            let own = prompt(i, 20 + 15 * i as usize);
            let prompt = match i % 3 {
                0 => own,
                1 => [&shared[..], &own].concat(),
                _ => [&shared[..100], &own].concat(),
            };
            (owner.ask(u64::from(i), &prompt, 30), prompt)
        })
        .collect();
    owner.finish_all();
    for (answer, prompt) in asked {
        let completion = completion(answer);
        assert_eq!(completion.token_ids, expected(&prompt, 30));
    }
    assert!(disk_hits(&owner) >= 192);
    owner.assert_nothing_is_lost();
}

#[test]
fn two_programs_in_one_folder_with_little_room_answer_right() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let file = fs::metadata(&files(folder.path())[0]).unwrap().len();
    let most = 10 * file;
    let answers = thread::scope(|scope| {
        let programs: Vec<_> = (0..2)
            .map(|program| {
                let path = folder.path();
                scope.spawn(move || {
                    let mut owner = owner_on_disk(WHOLE, 12, LIMITS, (path, most));
                    for i in 0..12 {
                        ask(&mut owner, &prompt(i % (3 + program), 60 + 20 * i as usize));
                    }
                    owner.assert_nothing_is_lost();
                })
            })
            .collect();
        programs
            .into_iter()
            .map(|program| program.join())
            .collect::<Vec<_>>()
    });
    assert!(answers.iter().all(Result::is_ok));
    // What the other wrote since it last looked may be more, until one of them writes.
    drop(owner_on_disk(WHOLE, 12, LIMITS, (folder.path(), most)));
    ask(
        &mut owner_on_disk(WHOLE, 100, LIMITS, (folder.path(), most)),
        &prompt(40, 200),
    );
    assert!(files(folder.path()).len() <= 10);
}

#[test]
fn answers_with_a_window_are_right_whatever_of_them_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let prompt = prompt(0, 300);
    for _ in 0..2 {
        let mut owner = owner_on_disk(WINDOWS, 100, LIMITS, (folder.path(), MUCH));
        let answer = owner.ask(0, &prompt, 30);
        owner.finish_all();
        let right = expected_by(next_token, WINDOWS, &prompt, 30);
        assert_eq!(completion(answer).token_ids, right);
    }
}

#[test]
fn a_request_for_a_fresh_answer_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let prompt = written(folder.path());
    let mut owner = on_disk(100, folder.path());
    let answer = owner.ask_with(0, &prompt, 30, |pending| pending.fresh = true);
    owner.finish_all();
    assert_eq!(completion(answer).cached_tokens, 0);
    assert_eq!(disk_hits(&owner), 0);
}

#[test]
fn an_answer_that_is_left_while_it_waits_for_the_disk_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = written(folder.path());
    let mut owner = on_disk(100, folder.path());
    drop(owner.ask(0, &first, 30));
    owner.finish_all();
    owner.assert_nothing_is_lost();
}
