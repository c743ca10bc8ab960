"""Is a model better than baselines? Baselines, scores, and the verdict on a model."""

from seqkit.skill.judging import Judged, Truth, judge, make_truth
from seqkit.skill.leaks import Leak, LeakCheck, check_leaks
from seqkit.skill.report import HorizonSkill, SkillReport, make_report
from seqkit.skill.verdict import Comparison, compare

__all__ = [
    "Comparison",
    "HorizonSkill",
    "Judged",
    "Leak",
    "LeakCheck",
    "SkillReport",
    "Truth",
    "check_leaks",
    "compare",
    "judge",
    "make_report",
    "make_truth",
]
