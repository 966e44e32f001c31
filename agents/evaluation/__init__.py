"""Evaluations that can be published: episodes on disk as they end, statistics with intervals, reports.

statistics   pass@k, clustered bootstrap, paired permutation test: pure functions
outcome      one episode as a line of `episodes.jsonl`, and the success rate that everything uses
folder       an evaluation on disk: written as episodes end, resumed by the same settings
summary      what the episodes say by task, by family and in all
comparison   paired differences of two evaluations
play         plays what a folder still lacks
"""
