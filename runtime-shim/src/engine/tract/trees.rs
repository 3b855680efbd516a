//! Ensembles of trees, in a time that follows from how many and how deep they are. tract's own
//! operator looks for each leaf from the beginning of the table of all leaves, so that one row takes
//! a second in a forest of 300 trees, and less than a thousandth of that here.
//!
//! The answers have the bits of tract's: what leaves say is added up in the same order.

use tract_onnx::tract_core::internal::{
    DatumExt as _, EvalContext, EvalOp, Op, StaticName, TValue, TVec, Tensor, TractResult,
    TypedFact, TypedModel, TypedOp, as_op, bail, format_err, op_as_typed_op, op_out_of_plan, tvec,
};
use tract_onnx_opl::ml::tree::{Aggregate, Cmp, TreeEnsemble};
use tract_onnx_opl::ml::tree_ensemble_classifier::TreeEnsembleClassifier;

/// Numbers of a row in tract's table of nodes, and in that of leaves.
const NODE: usize = 5;
const VOTE: usize = 2;

/// In the last number of a node: how it compares, and where numbers go that are none.
const COMPARISON: u32 = 0xff;
const NAN: u32 = 0x100;

/// An ensemble. Numbers are kept as their bits: operators have to be comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trees {
    roots: Vec<u32>,
    nodes: Vec<Node>,
    votes: Vec<Vote>,
    classes: usize,
    is_average: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Branch {
        feature: u32,
        comparison: Cmp,
        threshold: u32,
        is_nan_true: bool,
        /// The nodes for those of whom it is true, and for the others.
        next: [u32; 2],
    },
    /// From this vote to that one.
    Leaf(u32, u32),
}

/// What a leaf says of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vote {
    class: u32,
    weight: u32,
}

/// Puts these in the place of tract's.
pub(super) fn exchange(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        let Some(theirs) = node.op_as::<TreeEnsembleClassifier>() else {
            continue;
        };
        if let Some(ours) = Trees::of(&theirs.ensemble)? {
            node.op = Box::new(ours);
        }
    }
    Ok(())
}

impl Trees {
    /// None if votes are neither added up nor averaged.
    fn of(theirs: &TreeEnsemble) -> TractResult<Option<Self>> {
        let is_average = match theirs.aggregate_fn {
            Aggregate::Sum => false,
            Aggregate::Avg => true,
            Aggregate::Min | Aggregate::Max => return Ok(None),
        };
        let votes = numbers(&theirs.data.leaves)?.chunks_exact(VOTE);
        let nodes = numbers(&theirs.data.nodes)?.chunks_exact(NODE);
        Ok(Some(Self {
            roots: numbers(&theirs.data.trees)?.to_vec(),
            nodes: nodes.map(node).collect(),
            votes: votes
                .map(|vote| Vote {
                    class: vote[0],
                    weight: vote[1],
                })
                .collect(),
            classes: theirs.n_classes,
            is_average,
        }))
    }

    /// What the trees say of one row, by class.
    fn score(&self, row: &[f32], scores: &mut [f32]) -> TractResult<()> {
        let mut counts = vec![0.0_f32; if self.is_average { scores.len() } else { 0 }];
        for root in &self.roots {
            for vote in self.leaf(*root, row)? {
                let class = vote.class as usize;
                let score = scores.get_mut(class);
                *score.ok_or_else(|| broken("a class"))? += f32::from_bits(vote.weight);
                if let Some(count) = counts.get_mut(class) {
                    *count += 1.0;
                }
            }
        }
        let averaged = scores.iter_mut().zip(counts).filter(|(_, n)| *n > 1.0);
        averaged.for_each(|(score, count)| *score /= count);
        Ok(())
    }

    fn leaf(&self, root: u32, row: &[f32]) -> TractResult<&[Vote]> {
        let mut at = root;
        // No way down is longer than there are nodes.
        for _ in &self.nodes {
            let node = self.nodes.get(at as usize);
            match *node.ok_or_else(|| broken("a node"))? {
                Node::Leaf(first, last) => {
                    let votes = self.votes.get(first as usize..last as usize);
                    return votes.ok_or_else(|| broken("a leaf"));
                }
                Node::Branch {
                    feature,
                    comparison,
                    threshold,
                    is_nan_true,
                    next: [then, otherwise],
                } => {
                    let value = row.get(feature as usize);
                    let value = *value.ok_or_else(|| broken("a feature"))?;
                    let is_true = if value.is_nan() {
                        is_nan_true
                    } else {
                        comparison.compare(value, f32::from_bits(threshold))
                    };
                    at = if is_true { then } else { otherwise };
                }
            }
        }
        Err(broken("an end"))
    }
}

fn broken(what: &str) -> tract_onnx::tract_core::internal::TractError {
    format_err!("the trees of the model lack {what} that they speak of")
}

fn numbers(table: &Tensor) -> TractResult<&[u32]> {
    table.try_as_plain_ram()?.as_slice::<u32>()
}

/// A row of tract's table: leaves have no comparison.
fn node(row: &[u32]) -> Node {
    match Cmp::try_from((row[4] & COMPARISON) as u8) {
        Ok(comparison) => Node::Branch {
            feature: row[0],
            next: [row[1], row[2]],
            threshold: row[3],
            comparison,
            is_nan_true: row[4] & NAN != 0,
        },
        Err(_) => Node::Leaf(row[0], row[1]),
    }
}

impl Op for Trees {
    fn name(&self) -> StaticName {
        "Trees".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Trees {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let [input] = &inputs[..] else {
            bail!(
                "an ensemble of trees has one input, and not {}",
                inputs.len()
            );
        };
        let input = input.cast_to::<f32>()?;
        let shape = input.shape();
        let (Some(width), 1..=2) = (shape.last().copied(), shape.len()) else {
            bail!("an ensemble of trees takes rows of numbers, and not {shape:?}");
        };
        let rows = input.try_as_plain_ram()?.as_slice::<f32>()?;
        let mut scores = vec![0.0; rows.len() / width.max(1) * self.classes];
        let pairs = rows.chunks_exact(width.max(1));
        for (row, scores) in pairs.zip(scores.chunks_exact_mut(self.classes.max(1))) {
            self.score(row, scores)?;
        }
        let mut shape = shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.classes;
        }
        Ok(tvec!(Tensor::from_shape(&shape, &scores)?.into()))
    }
}

impl TypedOp for Trees {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = &inputs[0].shape[0];
        Ok(tvec!(f32::fact([rows.clone(), self.classes.into()])))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tract_onnx::tract_core::internal::IntoArcTensor as _;
    use tract_onnx_opl::ml::tree::TreeEnsembleData;

    use super::*;

    const FEATURES: usize = 3;
    const CLASSES: usize = 4;

    /// A tree of which each level asks for another feature.
    #[derive(Debug, Clone)]
    struct Tree {
        depth: u32,
        comparison: u8,
        numbers: Vec<i8>,
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let numbers = prop::collection::vec(any::<i8>(), 64);
        (0_u32..5, 1_u8..6, numbers).prop_map(|(depth, comparison, numbers)| Tree {
            depth,
            comparison,
            numbers,
        })
    }

    /// The tables as tract has them.
    #[derive(Default)]
    struct Tables {
        roots: Vec<u32>,
        nodes: Vec<u32>,
        votes: Vec<u32>,
    }

    impl Tables {
        fn add(&mut self, tree: &Tree) {
            let root = small(self.nodes.len() / NODE);
            self.roots.push(root);
            let mut numbers = tree.numbers.iter().cycle().map(|n| f32::from(*n) / 7.0);
            let mut number = || numbers.next().unwrap_or_default();
            let branches = (1 << tree.depth) - 1;
            // The children of a node follow as in a heap.
            for at in 0..branches {
                let [then, otherwise] = [2 * at + 1, 2 * at + 2].map(|child| root + child);
                let flags = u32::from(tree.comparison) | if at % 2 == 0 { NAN } else { 0 };
                let feature = at % small(FEATURES);
                let row = [feature, then, otherwise, number().to_bits(), flags];
                self.nodes.extend(row);
            }
            for leaf in 0..=branches {
                let first = small(self.votes.len() / VOTE);
                for class in 0..leaf % 3 {
                    self.votes.extend([class, number().to_bits()]);
                }
                let last = small(self.votes.len() / VOTE);
                self.nodes.extend([first, last, 0, 0, 0]);
            }
        }

        fn ensemble(&self, aggregate: Aggregate) -> TreeEnsemble {
            let table = |numbers: &[u32], width: usize| {
                let shape = [numbers.len() / width, width];
                let table = Tensor::from_shape(&shape, numbers);
                table.expect("fits").into_arc_tensor()
            };
            let trees = Tensor::from_shape(&[self.roots.len()], &self.roots);
            let data = TreeEnsembleData {
                trees: trees.expect("fits").into_arc_tensor(),
                nodes: table(&self.nodes, NODE),
                leaves: table(&self.votes, VOTE),
            };
            TreeEnsemble::build(data, FEATURES - 1, CLASSES, aggregate).expect("is one")
        }
    }

    fn small(number: usize) -> u32 {
        u32::try_from(number).expect("is small")
    }

    proptest! {
        #[test]
        fn the_bits_are_those_of_tract(
            trees in prop::collection::vec(tree(), 1..9),
            rows in prop::collection::vec(prop::array::uniform3(any::<i8>()), 1..5),
            has_nan: bool,
            is_average: bool,
        ) {
            let mut tables = Tables::default();
            for tree in &trees {
                tables.add(tree);
            }
            let aggregate = if is_average { Aggregate::Avg } else { Aggregate::Sum };
            let theirs = tables.ensemble(aggregate);
            let mut values: Vec<f32> = rows.iter().flatten().map(|n| f32::from(*n) / 7.0).collect();
            if has_nan {
                values[0] = f32::NAN;
            }
            let input = Tensor::from_shape(&[rows.len(), FEATURES], &values).expect("fits");
            let view = input.to_plain_array_view::<f32>().expect("is plain");
            let expected = Tensor::from(theirs.eval(view).expect("runs"));
            let ours = Trees::of(&theirs).expect("is whole").expect("is one of ours");
            let inputs = tvec!(input.clone().into());
            let found = ours.eval(&EvalContext::out_of_plan(), inputs).expect("runs");
            prop_assert_eq!(&*found[0], &expected);
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut tables = Tables::default();
        tables.add(&Tree {
            depth: 1,
            comparison: 1,
            numbers: vec![1],
        });
        let score = |tables: &Tables, row: &[f32]| {
            let trees = Trees::of(&tables.ensemble(Aggregate::Sum));
            let trees = trees.expect("is whole").expect("is one of ours");
            let found = trees.score(row, &mut [0.0; CLASSES]);
            found.map_err(|error| error.to_string())
        };
        assert_eq!(score(&tables, &[1.0]), Ok(()));
        let lacks = |what: &str| {
            Err(format!(
                "the trees of the model lack {what} that they speak of"
            ))
        };
        assert_eq!(score(&tables, &[]), lacks("a feature"));
        tables.roots[0] = 9;
        assert_eq!(score(&tables, &[1.0]), lacks("a node"));
        tables.roots[0] = 0;
        // A branch that leads to itself.
        tables.nodes[1..3].fill(0);
        assert_eq!(score(&tables, &[1.0]), lacks("an end"));
    }

    #[test]
    fn trees_of_which_one_counts_are_left_to_tract() {
        let ensemble = Tables::default().ensemble(Aggregate::Max);
        assert_eq!(Trees::of(&ensemble).expect("is whole"), None);
    }
}
