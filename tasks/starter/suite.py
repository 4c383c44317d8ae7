"""The starter suite as an ordinary mteb benchmark."""

from __future__ import annotations

from mteb import Benchmark

from tasks.starter.bible_bitext_mining import BibleBitextMining
from tasks.starter.bible_verse_pair_classification import BibleVersePairClassification
from tasks.starter.debian_faq_cross_lingual_retrieval import DebianFaqCrossLingualRetrieval
from tasks.starter.debian_faq_reranking import DebianFaqReranking
from tasks.starter.debian_faq_retrieval import DebianFaqRetrieval
from tasks.starter.home_assistant_intent_classification import HomeAssistantIntentClassification
from tasks.starter.lee_document_sts import LeeDocumentSTS
from tasks.starter.perl_faq_retrieval import PerlFaqRetrieval
from tasks.starter.perl_manual_long_retrieval import PerlManualLongRetrieval
from tasks.starter.reader import StarterTask
from tasks.starter.state_of_the_union_long_retrieval import StateOfTheUnionLongRetrieval
from tasks.starter.synthetic_needle_retrieval import SyntheticNeedleRetrieval
from tasks.starter.synthetic_passkey_retrieval import SyntheticPasskeyRetrieval
from tasks.starter.udhr_bitext_mining import UdhrBitextMining
from tasks.starter.web_features_multilabel_classification import WebFeaturesMultilabelClassification
from tasks.starter.wordnet_supersense_classification import WordNetSupersenseClassification
from tasks.starter.wordnet_supersense_clustering import WordNetSupersenseClustering

TASKS: tuple[type[StarterTask], ...] = (
    DebianFaqRetrieval,
    DebianFaqCrossLingualRetrieval,
    PerlFaqRetrieval,
    PerlManualLongRetrieval,
    StateOfTheUnionLongRetrieval,
    SyntheticNeedleRetrieval,
    SyntheticPasskeyRetrieval,
    DebianFaqReranking,
    WordNetSupersenseClassification,
    HomeAssistantIntentClassification,
    WebFeaturesMultilabelClassification,
    WordNetSupersenseClustering,
    BibleVersePairClassification,
    LeeDocumentSTS,
    UdhrBitextMining,
    BibleBitextMining,
)
"""The task classes, by type."""

BENCHMARK = Benchmark(
    name="jina-eval(starter)",
    tasks=tuple(task() for task in TASKS),
    description="Small offline tasks over data in the package; see tasks/starter/DATA_CARD.md.",
)
