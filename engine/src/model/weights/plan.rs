//! Which matrices a model consists of, and what each is packed as.

use super::importance::{LayerSite, MatmulSite};
use super::rounding::QuantScheme;
use super::{MatrixSource, TensorSource, WeightRequest, packed_name};
use crate::Error;
use crate::architecture::LayerTensor::{
    self, DownProj, GateProj, KProj, OProj, QProj, UpProj, VProj,
};
use crate::architecture::ModelTensor;
use crate::compute::kernel::Kernel;
use crate::compute::matrix::Packing;
use crate::files::config::ModelConfig;

/// The matrices of a model.
pub(crate) fn plan<'a>(
    source: &'a dyn TensorSource,
    config: &ModelConfig,
    scheme: impl Into<QuantScheme<'a>>,
    kernel: &'static Kernel,
) -> Result<Packing<'a>, Error> {
    let scheme = scheme.into();
    let mut packing = Packing::new(kernel);
    plan_vocabulary(&mut packing, source, config, scheme)?;
    let hidden = config.hidden;
    let q_dim = config.heads * config.head_dim;
    let kv_dim = config.kv_heads * config.head_dim;
    let attention = [
        (QProj, [q_dim, hidden]),
        (KProj, [kv_dim, hidden]),
        (VProj, [kv_dim, hidden]),
    ];
    let attention_output = [(OProj, [hidden, q_dim])];
    let feed_forward = [GateProj, UpProj].map(|tensor| (tensor, [config.ffn, hidden]));
    let feed_forward_output = [(DownProj, [hidden, config.ffn])];
    for layer in 0..config.layers {
        for (site, tensors) in [
            (LayerSite::Attention, &attention[..]),
            (LayerSite::AttentionOutput, &attention_output),
            (LayerSite::FeedForward, &feed_forward),
            (LayerSite::FeedForwardOutput, &feed_forward_output),
        ] {
            let request = scheme
                .rounding
                .layers(scheme.columns(MatmulSite::Layer(layer, site)));
            plan_site(&mut packing, source, layer, tensors, request)?;
        }
    }
    Ok(packing)
}

/// Embedding and head: one matrix where they are tied and held alike, else two.
fn plan_vocabulary<'a>(
    packing: &mut Packing<'a>,
    source: &'a dyn TensorSource,
    config: &ModelConfig,
    scheme: QuantScheme<'a>,
) -> Result<(), Error> {
    let shape = [config.vocabulary, config.hidden];
    let tied = source.ties_head();
    let embedding = source.matrix(ModelTensor::Embedding, shape, scheme.rounding.embedding()?)?;
    let head = scheme.rounding.head(scheme.columns(MatmulSite::Head))?;
    let stored_head = if tied {
        ModelTensor::Embedding
    } else {
        ModelTensor::Head
    };
    let head = source.matrix(stored_head, shape, head)?;
    // Rows of an embedding are looked up: nothing could bring columns into another order.
    if embedding.order.is_some() || tied && head.order.is_some() {
        let why = "must have groups of neighbouring columns, found columns in act-order";
        return Err(source.refuse(&[ModelTensor::Embedding], why));
    }
    if tied && head.format == embedding.format {
        // Where both are rounded, the head knows what its columns count.
        add(packing, source, ModelTensor::Embedding, shape, head);
    } else {
        add(packing, source, ModelTensor::Embedding, shape, embedding);
        add(packing, source, ModelTensor::Head, shape, head);
    }
    Ok(())
}

/// Matrices of a layer that are multiplied with the same activations: they share one order.
fn plan_site<'a>(
    packing: &mut Packing<'a>,
    source: &'a dyn TensorSource,
    layer: usize,
    tensors: &[(LayerTensor, [usize; 2])],
    request: WeightRequest<'a>,
) -> Result<(), Error> {
    let mut first: Option<(ModelTensor, _)> = None;
    for (tensor, shape) in tensors {
        let tensor = ModelTensor::Layer(layer, *tensor);
        let mut matrix = source.matrix(tensor, *shape, request)?;
        let (other, order) = first.get_or_insert_with(|| (tensor, matrix.order.clone()));
        if *order != matrix.order {
            let why = "are multiplied with the same activations, and must have the same columns in each group";
            return Err(source.refuse(&[*other, tensor], why));
        }
        matrix.order.clone_from(order);
        add(packing, source, tensor, *shape, matrix);
    }
    Ok(())
}

fn add<'a>(
    packing: &mut Packing<'a>,
    source: &dyn TensorSource,
    tensor: ModelTensor,
    shape: [usize; 2],
    matrix: MatrixSource<'a>,
) {
    let MatrixSource {
        format,
        order,
        rows,
    } = matrix;
    let name = packed_name(source, tensor);
    packing.add(&name, shape, format, rows).region.order = order;
}
