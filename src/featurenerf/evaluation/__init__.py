"""Evaluation: the protocols, their metrics, and reports."""

from featurenerf.data.splits import Pair as Pair
from featurenerf.evaluation.methods import METHODS as METHODS
from featurenerf.evaluation.methods import Method as Method
from featurenerf.evaluation.report import make_report as make_report
from featurenerf.evaluation.report import markdown_table as markdown_table
from featurenerf.evaluation.report import write_report as write_report
from featurenerf.evaluation.tasks import TASKS as TASKS
from featurenerf.evaluation.tasks import Evaluation as Evaluation
from featurenerf.evaluation.tasks import evaluate as evaluate
