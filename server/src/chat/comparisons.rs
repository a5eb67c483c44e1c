//! Comparisons of visitors: who may begin one, which are there, and what becomes of them.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use nibble_app::chat::{
    Chat, Comparing, ComparisonEntry, ComparisonOf, Comparisons, Facts, LaneSteps, Leave,
};
use nibble_app::compare::{lane_name, not_allowed};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{Comparison, Id, Plan};
use nibble_app::language::{Language, Told};
use nibble_app::visitor::Visitor;
use nibble_engine::Error;

use super::ChatService;
use super::complaints::{refusal, unstored};
use crate::compare::Entered;
use crate::lanes::Lanes;
use crate::permitted::Permitted;
use crate::store::now;

/// Where another comparison runs, it may end after so many seconds.
const SOON_S: u64 = 30;

impl ChatService {
    /// From now on these visitors may compare.
    pub(crate) fn compare_in(&self, lanes: Arc<dyn Lanes>, comparers: Permitted) {
        // A second time it would be the same.
        let _ = self.comparers.set(comparers);
        self.comparer.allow(lanes);
    }

    /// What loads lanes, for a visitor who may compare.
    fn lanes_for(&self, visitor: Visitor) -> Option<&Arc<dyn Lanes>> {
        let leave = self.comparers.get()?.leave(visitor);
        let lanes = self.comparer.lanes();
        lanes.filter(|_| leave == Leave::Granted)
    }

    /// Ready when no comparison runs, and the last one is written down.
    pub(crate) async fn all_compared(&self) {
        self.comparer.ended().await;
    }

    /// The models of a plan's lanes by their names for people, each once.
    fn names_of(&self, plan: &Plan) -> String {
        let models = plan.lanes.iter();
        let models = models.map(|lane| self.writer.models.named_or_first(&lane.model));
        let mut names: Vec<_> = models.map(|model| model.info().name.clone()).collect();
        let mut told = HashSet::new();
        names.retain(|name| told.insert(name.clone()));
        names.join(", ")
    }

    /// Writes down a comparison that has the only place, and measures it: both to their end whoever leaves.
    async fn begin(&self, entered: Entered, lanes: Arc<dyn Lanes>) -> Result<(), Complaint> {
        let (writer, others) = (self.writer.clone(), self.others());
        let begun = tokio::spawn(async move {
            let (store, comparison) = (Arc::clone(&writer.store), entered.run.comparison());
            let owner = entered.run.owner;
            let begun = store.begin_comparison(owner, &comparison).await;
            if begun.is_ok() {
                tokio::spawn(async move {
                    let models = writer.models.clone();
                    entered.measure(lanes, models, others, &*store).await;
                });
            }
            begun
        });
        let begun = begun.await.map_err(|_| refusal(&Error::Broken))?;
        begun.map_err(unstored)
    }
}

#[async_trait]
impl Comparisons for ChatService {
    async fn comparing(&self, visitor: Visitor) -> Result<Comparing, Complaint> {
        let own = self.writer.store.comparisons(visitor.owner).await;
        let own = own.map_err(unstored)?;
        let lanes = self.lanes_for(visitor);
        let running = self.comparer.running();
        let info = self.writer.models.first().info();
        let entry = |comparison: &Comparison| ComparisonEntry {
            id: comparison.id,
            created: comparison.created,
            prompt: comparison.plan.prompt.clone(),
            lanes: {
                let lanes = comparison.plan.lanes.iter();
                let plan = &comparison.plan;
                lanes
                    .map(|lane| lane_name(visitor.language, plan, lane))
                    .collect()
            },
        };
        Ok(Comparing {
            is_allowed: lanes.is_some(),
            kernels: lanes.map(|lanes| lanes.kernels()).unwrap_or_default(),
            weights: lanes.map(|lanes| lanes.weights()).unwrap_or_default(),
            kernel: info.kernel.clone(),
            threads: info.threads,
            most_threads: self.machine().await.allowed.max(info.threads),
            models: self.served(),
            usd_per_hour: self.usd_per_hour,
            running: running.map(|run| (run.id, run.owner == visitor.owner)),
            own: own.iter().map(entry).collect(),
        })
    }

    async fn comparison(
        &self,
        visitor: Visitor,
        id: Id,
    ) -> Result<Option<ComparisonOf>, Complaint> {
        if let Some(run) = self.comparer.run(id) {
            return Ok(Some(ComparisonOf {
                comparison: run.comparison(),
                own: run.owner == visitor.owner,
                is_running: true,
            }));
        }
        let kept = self.writer.store.comparison(visitor.owner, id).await;
        Ok(kept
            .map_err(unstored)?
            .map(|(comparison, own)| ComparisonOf {
                comparison,
                own,
                is_running: false,
            }))
    }

    async fn compare(&self, visitor: Visitor, plan: Plan) -> Result<Id, Complaint> {
        let Some(lanes) = self.lanes_for(visitor) else {
            return Err(not_allowed());
        };
        let comparison = Comparison {
            id: Id(rand::random()),
            created: now(),
            model: self.names_of(&plan),
            plan,
            cpu: self.machine().await.cpu,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: Vec::new(),
            end: None,
        };
        let Some(entered) = self.comparer.enter(visitor.owner, comparison) else {
            return Err(Complaint {
                reason: Told::new(Language::compare_busy),
                kind: ComplaintKind::Busy {
                    retry_after_s: SOON_S,
                },
            });
        };
        let id = entered.run.id;
        self.begin(entered, Arc::clone(lanes)).await?;
        Ok(id)
    }

    fn stop_comparison(&self, visitor: Visitor, id: Id) -> bool {
        let run = self.comparer.run(id);
        let own = run.filter(|run| run.owner == visitor.owner);
        own.inspect(|run| run.stop()).is_some()
    }

    async fn delete_comparison(&self, visitor: Visitor, id: Id) -> Result<(), Complaint> {
        self.stop_comparison(visitor, id);
        let store = &self.writer.store;
        let deleted = store.delete_comparison(visitor.owner, id).await;
        match deleted.map_err(unstored)? {
            true => Ok(()),
            false => Err(Complaint {
                reason: Told::new(Language::no_such_comparison),
                kind: ComplaintKind::Gone,
            }),
        }
    }

    fn follow_comparison(&self, id: Id) -> Option<LaneSteps> {
        self.comparer.run(id)?.follow()
    }
}
