"""Notices: people are told by message what failed, is held, stopped or goes on; and a heartbeat that all is well."""

from diffio_watch.service.notices.notifier import Notifier, Ways

__all__ = ["Notifier", "Ways"]
