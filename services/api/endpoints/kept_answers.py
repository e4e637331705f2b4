"""The endpoints of answers of models that are kept with a run; whoever asks the models (models.py) has them kept."""

from services.api.endpoint_context import Api
from services.api.endpoints.models import ModelOfFeature
from services.api.endpoints.shared_parameters import check_feature_id
from services.api.http.endpoint_declaration import Endpoints
from sparse_autoencoder.questions.answer_types import FeatureEffects, FeatureGraph

_PROBLEMS = (400, 404, 503)

endpoints = Endpoints()


@endpoints.declare("GET", "/api/effects", problems=_PROBLEMS)
def kept_effects(asked: ModelOfFeature, api: Api) -> FeatureEffects:
    """What is kept of a feature's effects on later predictions; 404 until the models were asked."""
    run = api.library.asked(asked.run)
    return run.effects(check_feature_id(asked.feature_id, run))


@endpoints.declare("GET", "/api/graph", problems=_PROBLEMS)
def kept_graph(asked: ModelOfFeature, api: Api) -> FeatureGraph:
    """The patterns that are kept of a feature; 404 until the models were asked."""
    run = api.library.asked(asked.run)
    return run.graph(check_feature_id(asked.feature_id, run))
