//! Who comes into memory, and who has to leave it, by a clock that the tests wind.

mod requests;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::test_support::scripted::{Scripted, offer};

const NEED: u64 = 100;

/// Models of 100 bytes each in a memory of so many, and how often each was loaded.
fn models(count: usize, total: u64, keep: KeepAlive) -> (Arc<Models>, Arc<Vec<AtomicUsize>>) {
    let loads: Arc<Vec<AtomicUsize>> = Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect());
    let offers = (0..count).map(|index| {
        let model = Scripted::new(&["hi"], Duration::ZERO).named(&format!("m{index}"));
        let loads = Arc::clone(&loads);
        Offer {
            info: model.info().clone(),
            file: None,
            bytes: NEED,
            kv_blocks: 0,
            keep,
            load: Box::new(move || {
                loads[index].fetch_add(1, Ordering::SeqCst);
                let model = Scripted::new(&["hi"], Duration::ZERO).named(&format!("m{index}"));
                Ok(Arc::new(model) as Arc<dyn Generator>)
            }),
        }
    });
    let models = Models::new(offers.collect(), Box::new(|| None), Some(total), None);
    (models, loads)
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn inside(models: &Models) -> Vec<usize> {
    let all = 0..models.count();
    all.filter(|index| models.loaded(*index).is_some())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_model_is_loaded_once_for_all_who_wait_and_leaves_after_its_time() {
    let minute = Duration::from_secs(60);
    let (models, loads) = models(2, 1000, KeepAlive::For(minute));
    assert!(matches!(models.ask(1, None), Ok(Ready::Soon)));
    let (one, other) = tokio::join!(models.lease(1, None), models.lease(1, None));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(loads[1].load(Ordering::SeqCst), 1);
    assert_eq!(one.generator().info().id, "m1");
    drop(one);
    tokio::time::sleep(10 * minute).await;
    assert_eq!(inside(&models), [1], "it answers");
    drop(other);
    tokio::time::sleep(minute / 2).await;
    assert_eq!(inside(&models), [1]);
    tokio::time::sleep(minute).await;
    assert!(inside(&models).is_empty());
    drop(models.lease(1, None).await.unwrap());
    assert_eq!(loads[1].load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_says_how_long_its_model_stays() {
    let (models, _) = models(1, 1000, KeepAlive::Always);
    drop(models.lease(0, None).await.unwrap());
    assert_eq!(models.stays(0), Some(None));
    let minute = Duration::from_secs(60);
    drop(models.lease(0, Some(KeepAlive::For(minute))).await.unwrap());
    assert_eq!(models.stays(0), Some(Some(minute)));
    drop(
        models
            .lease(0, Some(KeepAlive::For(Duration::ZERO)))
            .await
            .unwrap(),
    );
    settle().await;
    assert_eq!(models.stays(0), None);
}

#[tokio::test(start_paused = true)]
async fn those_longest_unused_make_room_and_never_one_that_answers() {
    let (models, loads) = models(3, 250, KeepAlive::Always);
    drop(models.lease(0, None).await.unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(models.lease(1, None).await.unwrap());
    let third = models.lease(2, None).await.unwrap();
    assert_eq!(inside(&models), [1, 2]);
    let second = models.lease(1, None).await.unwrap();
    assert_eq!(loads[1].load(Ordering::SeqCst), 1);
    let refused = models.lease(0, None).await.err().expect("two answer");
    assert_eq!(
        refused.to_string(),
        "the model `m0` needs 100 bytes, and 50 bytes are available beside the models that answer now"
    );
    drop(second);
    drop(models.lease(0, None).await.unwrap());
    assert_eq!(inside(&models), [0, 2]);
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn what_models_in_memory_may_come_to_use_is_not_free() {
    let (models, _) = models(2, 250, KeepAlive::Always);
    assert_eq!(models.free(), Some(250));
    drop(models.lease(0, None).await.unwrap());
    assert_eq!(models.free(), Some(150));
    let room = models.room();
    assert_eq!(room.free(Some(30)), Some(30), "others took the rest");
    assert_eq!(room.free(Some(240)), Some(150));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_fit_is_refused_with_the_numbers() {
    let (models, _) = models(2, 99, KeepAlive::Always);
    let refused = models.lease(1, None).await.err().expect("no room");
    assert!(
        matches!(
            refused,
            Error::Memory {
                needed: 100,
                available: 99,
                ..
            }
        ),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_be_loaded_tells_all_who_wait_and_is_tried_again() {
    let info = Scripted::new(&[], Duration::ZERO).info().clone();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let offer = Offer {
        info,
        file: None,
        bytes: NEED,
        kv_blocks: 0,
        keep: KeepAlive::Always,
        load: Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Err(Error::Option("the file is gone".into()))
        }),
    };
    let models = Models::new(vec![offer], Box::new(|| None), None, None);
    let (one, other) = tokio::join!(models.lease(0, None), models.lease(0, None));
    for failed in [one, other] {
        let failed = failed.err().expect("nothing to load").to_string();
        assert_eq!(failed, "the file is gone");
    }
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    assert!(models.lease(0, None).await.is_err());
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[test]
fn what_lacks_the_memory_of_a_model_that_is_leaving_is_to_come_back() {
    let offer = Offer {
        info: Scripted::new(&[], Duration::ZERO).info().clone(),
        file: None,
        bytes: NEED,
        kv_blocks: 0,
        keep: KeepAlive::For(Duration::ZERO),
        load: Box::new(|| Err(Error::Stopped)),
    };
    let generator: Arc<dyn Generator> = Arc::new(Scripted::new(&[], Duration::ZERO));
    let mut room = Room::new(vec![Seat::new(&offer)]);
    room.enter(0, generator, offer.keep);
    let later = Instant::now() + Duration::from_secs(100);
    assert_eq!(room.expire(later).0.len(), 1);
    let shortage = |is_for_now| Shortage {
        available: 1,
        is_for_now,
    };
    assert_eq!(room.make_room(0, Some(1)).err(), Some(shortage(true)));
    room.has_left();
    assert_eq!(room.make_room(0, Some(1)).err(), Some(shortage(false)));
}

#[test]
fn what_a_model_takes_that_is_being_loaded_is_reserved_for_nobody() {
    let mut room = Room::new(vec![Seat::new(&offer("m0", None))]);
    assert_eq!(room.reserve(60, Some(140)), Ok(()));
    room.release(60);
    room.load_begins(0, watch::channel(None).1);
    assert_eq!(room.reserve(60, Some(140)), Err(40));
    assert_eq!(room.reserve(40, Some(140)), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_withdrawn_is_loaded_for_nobody_until_it_is_back() {
    let (models, loads) = models(2, 1000, KeepAlive::Always);
    drop(models.lease(0, None).await.unwrap());
    assert!(!models.withdraw(0), "it is in memory");
    assert!(models.withdraw(1) && !models.withdraw(1));
    let refused = models.lease(1, None).await.err().expect("it is gone");
    assert_eq!(refused.to_string(), "the model `m1` is not here any more");
    assert_eq!(loads[1].load(Ordering::SeqCst), 0);
    models.reinstate(1);
    drop(models.lease(1, None).await.unwrap());
    assert_eq!(loads[1].load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn models_come_beside_one_that_stays_and_makes_room_when_it_has_to() {
    let offer = |name: &str| {
        let name = name.to_owned();
        let model = move || Scripted::new(&["hi"], Duration::ZERO).named(&name);
        Offer {
            info: model().info().clone(),
            file: None,
            bytes: NEED,
            kv_blocks: 0,
            keep: KeepAlive::Always,
            load: Box::new(move || Ok(Arc::new(model()) as Arc<dyn Generator>)),
        }
    };
    let first: Arc<dyn Generator> = Arc::new(Scripted::new(&["hi"], Duration::ZERO));
    let models = Models::new(vec![offer("m0")], Box::new(|| None), Some(150), Some(first));
    assert!(!models.is_managed());
    assert_eq!(inside(&models), [0]);
    assert_eq!(models.add(offer("m1")), 1);
    assert!(models.is_managed());
    drop(models.lease(1, None).await.unwrap());
    assert_eq!(inside(&models), [1], "there is room for one");
    drop(models.lease(0, None).await.unwrap());
    assert_eq!(inside(&models), [0]);
}
