"""The dialect `jobs`: systems that run tests as jobs with numeric states. It is also the model for new dialects."""
