"""The network's settings as the desk sees them: judged before they are kept, and tried by the doctor."""
