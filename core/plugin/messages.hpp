#pragma once

#include "core/base/log.hpp"

namespace certctl::plugin {

inline constexpr log::Message kPluginLoaded{"PLUGIN_LOADED", log::Level::info, "plugin loaded"};
inline constexpr log::Message kPluginRefused{
    "PLUGIN_REFUSED", log::Level::error, "plugin file refused",
    "Replace the file by one built for this version, or take it out of the plugin folder."};
inline constexpr log::Message kPluginSlowInit{"PLUGIN_SLOW_INIT", log::Level::warn, "a plugin's init took over a second",
                                              "Tell the plugin's vendor: init must not do I/O."};
inline constexpr log::Message kPluginFault{"PLUGIN_FAULT", log::Level::error, "a plugin broke the rules of its interface",
                                           "Tell the plugin's vendor; the call was answered as an internal error."};
inline constexpr log::Message kPluginUnread{
    "PLUGIN_UNREAD_CRITICAL", log::Level::error, "a plugin ignored a part of the request that it must honour",
    "The result was rejected. Tell the plugin's vendor; its manifest promises more than it does."};
inline constexpr log::Message kPluginOverdue{
    "PLUGIN_OVERDUE", log::Level::error, "a plugin call outstayed its deadline; its instance takes no further calls",
    "Restart the program if the thread does not come back; tell the plugin's vendor."};
inline constexpr log::Message kPluginLateLog{"PLUGIN_LATE_LOG", log::Level::debug, "a plugin logged after its end"};

// What plugins log themselves; their own event id is the field `event`.
inline constexpr log::Message kPluginDebug{"PLUGIN_DEBUG", log::Level::debug, "plugin message"};
inline constexpr log::Message kPluginInfo{"PLUGIN_INFO", log::Level::info, "plugin message"};
inline constexpr log::Message kPluginWarning{"PLUGIN_WARNING", log::Level::warn, "plugin message"};
inline constexpr log::Message kPluginError{"PLUGIN_ERROR", log::Level::error, "plugin message"};

inline const log::Message& plugin_message(std::uint32_t level) {
  switch (level) {
    case 0: return kPluginDebug;
    case 1: return kPluginInfo;
    case 2: return kPluginWarning;
    default: return kPluginError;
  }
}

}  // namespace certctl::plugin
